"""What all processes share."""

from kombu.entity import Queue

from connectivity.settings import environment as given
from connectivity.settings import logs

LOGGING = logs.LOGGING
BASE_DIR = given.BASE_DIR
DEBUG = given.DEBUG
EMBEDDED = given.EMBEDDED
SECRET_KEY = given.SECRET_KEY
SECRET_KEY_FALLBACKS = given.SECRET_KEY_FALLBACKS
ALLOWED_HOSTS = given.ALLOWED_HOSTS
CLOCK_FILE = given.CLOCK_FILE

SITES = given.SITES
SITE = given.SITE
MQTT_URL = given.MQTT_URL
STRIPE_SECRET_KEY = given.STRIPE_SECRET_KEY
STRIPE_WEBHOOK_SECRETS = given.STRIPE_WEBHOOK_SECRETS
STRIPE_API_BASE = given.STRIPE_API_BASE
STRIPE_AUTOMATIC_TAX = given.STRIPE_AUTOMATIC_TAX
# Stripe serves 25 a second of a kind; what people wait for needs the rest. See billing.budget.
STRIPE_READS_PER_SECOND = 20
LEASE_SIGNING_KEYS = given.LEASE_SIGNING_KEYS
VEHICLE_TOKEN_KEYS = given.VEHICLE_TOKEN_KEYS
VEHICLE_AUDIENCE = given.VEHICLE_AUDIENCE
POLL_SECONDS = given.POLL_SECONDS
CAR_LIMIT = given.CAR_LIMIT
FAILURE_LIMIT = given.FAILURE_LIMIT
REMEMBERED_CARS = given.REMEMBERED_CARS
TRUSTED_PROXIES = given.TRUSTED_PROXIES
METRICS_TOKEN = given.METRICS_TOKEN
WEB_URL = given.WEB_URL.rstrip("/")
SELLER_NAME, SELLER_ADDRESS = given.SELLER_NAME, given.SELLER_ADDRESS
SUPPORT_EMAIL = given.SUPPORT_EMAIL
SANDBOX_URL = f"http://localhost:{given.SANDBOX_PORT}" if EMBEDDED else ""

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django_structlog",
    "drf_spectacular",
    "drf_standardized_errors",
    "rest_framework",
    "connectivity.accounts",
    "connectivity.law",
    "connectivity.notices",
    "billing",
    "fleet",
]

# A pool per process; PostgreSQL itself ends what hangs (ecosystem: connections).
DATABASES = {
    "default": {
        **given.DATABASE,
        "CONN_MAX_AGE": 0,
        # Or else, after a restart of PostgreSQL, the pool hands out each of its dead connections.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": 8, "timeout": 5},
            "connect_timeout": 5,
            # For fleet.rows: Django's own cursors prepare nothing.
            "prepare_threshold": 5,
            "options": "-c statement_timeout=15s -c lock_timeout=5s "
            "-c idle_in_transaction_session_timeout=30s",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Sign-in limits are counted where the accounts are, so that an emptied Redis opens no door.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_cache",
    }
}

AUTH_USER_MODEL = "accounts.User"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
# Only what is complete, each by its own name; tests/integration/test_pseudo_locale.py proves it.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "connectivity" / "static"]

# Tasks are idempotent and short: late acknowledgement, and a lost worker's task is done again.
CELERY_BROKER_URL = given.BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
# A request waits for the queue at most this long; the sweep finds what could not be sent.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "accounts-sweep": {
        "task": "connectivity.accounts.tasks.sweep",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "billing-sweep": {"task": "billing.tasks.sweep", "schedule": 5, "options": {"expires": 5}},
    "billing-catch-up": {
        "task": "billing.tasks.catch_up",
        "schedule": 180,
        "options": {"expires": 180},
    },
    "billing-reconcile": {
        "task": "billing.tasks.reconcile_nightly",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "fleet-sweep": {"task": "fleet.tasks.sweep", "schedule": 2, "options": {"expires": 2}},
    "fleet-retry-stuck": {
        "task": "fleet.tasks.retry_stuck",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "fleet-watch": {"task": "fleet.tasks.watch", "schedule": 2, "options": {"expires": 2}},
    "fleet-compare": {"task": "fleet.tasks.compare", "schedule": 30, "options": {"expires": 30}},
    "fleet-tidy": {"task": "fleet.tasks.tidy", "schedule": 600, "options": {"expires": 600}},
    "law-sweep": {
        "task": "connectivity.law.tasks.sweep",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "notices-sweep": {
        "task": "connectivity.notices.tasks.sweep",
        "schedule": 2,
        "options": {"expires": 2},
    },
}
# A queue of their own, of which workers take in turn: however many messages of changes wait, a
# sweep does not wait behind them, nor expire there.
CELERY_TASK_QUEUES = tuple(
    Queue(name)  # type: ignore[no-untyped-call] # theirs
    for name in ("celery", "sweeps")
)
CELERY_TASK_ROUTES = {
    str(each["task"]): {"queue": "sweeps"} for each in CELERY_BEAT_SCHEDULE.values()
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "fleet.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Premium Connectivity",
    "DESCRIPTION": "What a car calls: token, pairing code, entitlement check, report.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
