"""The web process, as gunicorn calls it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.web")
application = get_wsgi_application()
