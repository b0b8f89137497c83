"""The addresses of the web process: people, staff, Stripe; cars have `connectivity.edge_urls`."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from connectivity import health, invoice_file, metrics, pages, theme
from connectivity.accounts import languages
from connectivity.accounts.views import ConfirmEmailCode, ConfirmLoginCode, close
from connectivity.notices import previews
from connectivity.specimens import page as states

# The only API there is yet is the one that cars call; its schema is served to people.
schema = SpectacularAPIView.as_view(urlconf="connectivity.edge_urls")

urlpatterns = [
    path("", pages.landing, name="landing"),
    path("theme/", theme.choose, name="theme"),
    path("robots.txt", pages.robots),
    path("garage/", include("fleet.urls")),
    path("billing/invoices.csv", invoice_file.download, name="invoices_csv"),
    path("billing/", include("billing.urls")),
    path("language/", languages.choose, name="language"),
    path("accounts/password/<path:rest>", pages.nothing_here),
    path("accounts/login/code/confirm/", ConfirmLoginCode.as_view()),
    path("accounts/confirm-email/", ConfirmEmailCode.as_view()),
    path("accounts/close/", close, name="account_close"),
    path("accounts/", include("allauth.urls")),
    path("", include("connectivity.law.urls")),
    path("admin/mails/", admin.site.admin_view(previews.listed), name="mails"),
    path("admin/mails/<slug:name>/", admin.site.admin_view(previews.one), name="mails_one"),
    path(
        "admin/mails/<slug:name>/<slug:language>/<slug:extent>/",
        admin.site.admin_view(previews.html),
        name="mails_html",
    ),
    path("admin/states/", admin.site.admin_view(states.listed), name="states"),
    path("admin/states/<slug:name>/", admin.site.admin_view(states.one), name="states_one"),
    path("admin/", admin.site.urls),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/schema/", schema, name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]
