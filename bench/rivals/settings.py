"""Django for the views of the Django REST Framework: nothing in it that they do not need."""

from connectivity.settings.edge import *  # noqa: F403 -- Django's settings are one namespace
from connectivity.settings.edge import DATABASES

ROOT_URLCONF = "bench.rivals.views"
MIDDLEWARE = []
# A connection for each thread, which it keeps.
DATABASES["default"].pop("OPTIONS", None)
DATABASES["default"]["CONN_MAX_AGE"] = None
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
