"""The addresses of the law's pages: public ones at the root, a person's own under the account."""

from django.urls import path

from connectivity.law import data, pages, views

app_name = "law"
urlpatterns = [
    path("kuendigen/", views.cancel, name="cancel"),
    path("withdraw/", views.withdraw, name="withdraw"),
    path("withdraw/<str:token>/", views.declared, name="declared"),
    path("terms/", pages.terms, name="terms"),
    path("privacy/", pages.privacy, name="privacy"),
    path("accessibility/", pages.accessibility, name="accessibility"),
    path("imprint/", pages.imprint, name="imprint"),
    path("accounts/data/", data.data, name="data"),
    path("accounts/data/download/", data.download, name="download"),
]
