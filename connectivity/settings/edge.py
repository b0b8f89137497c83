"""Cars: the edge has no sessions, cookies, templates or forms."""

from connectivity.settings.base import *  # noqa: F403 -- Django's settings are one namespace

# Django's own pages for errors are HTML, which no car reads; what went wrong is in the log.
DEBUG = False
ROOT_URLCONF = "connectivity.edge_urls"
ASGI_APPLICATION = "connectivity.edge.application"
MIDDLEWARE = ["django_structlog.middlewares.RequestMiddleware"]
# connectivity.edge has seen to it that there is one and that it is a short word.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
APPEND_SLASH = False
TEMPLATES: list[dict[str, object]] = []
