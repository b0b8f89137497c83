"""People: the site, the admin, Stripe's webhook; the worker and beat run on these settings too."""

from csp.constants import NONE, SELF
from django.urls import reverse_lazy

from connectivity.settings import environment as given
from connectivity.settings.base import *  # noqa: F403 -- Django's settings are one namespace
from connectivity.settings.base import BASE_DIR, DEBUG, EMBEDDED, INSTALLED_APPS, SANDBOX_URL

INSTALLED_APPS = [
    "connectivity.staff.apps.StaffAdminConfig",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "drf_spectacular_sidecar",
    *INSTALLED_APPS,
]
ROOT_URLCONF = "connectivity.urls"
WSGI_APPLICATION = "connectivity.wsgi.application"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "connectivity.middleware.no_nul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Why pages with secrets in them may be compressed: docs/decisions/0020.
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "connectivity.accounts.languages.in_their_language",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "connectivity.middleware.private_pages",
    "connectivity.middleware.Outage",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {
                "amounts": "connectivity.amounts",
                "car_names": "connectivity.car_names",
                "browsers": "connectivity.accounts.browsers",
                "law_texts": "connectivity.law.texts",
            },
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "connectivity.context.site",
            ],
        },
    }
]

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = "/garage/"
LOGOUT_REDIRECT_URL = "/"
CSRF_FAILURE_VIEW = "connectivity.pages.csrf_failure"

# Sign-in is by a code that is mailed, or by a passkey; there are no passwords to steal.
ACCOUNT_ADAPTER = "connectivity.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_FORMS = {
    "login": "connectivity.accounts.forms.LoginForm",
    "signup": "connectivity.accounts.forms.SignupForm",
    "add_email": "connectivity.accounts.forms.AddEmailForm",
    "confirm_login_code": "connectivity.accounts.forms.ConfirmLoginCodeForm",
    "confirm_email_verification_code": "connectivity.accounts.forms.ConfirmEmailCodeForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
# A mail may take minutes; five tries at 8 of 20 letters are worth nothing to a guesser.
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = 5
# One account, one address: a new one replaces the old when its code has been typed in.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEBUG else "https"
ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD = "website"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
# Declarations need no account: so many from one place, so many receipts to one address.
ACCOUNT_RATE_LIMITS = {"declare": "60/h/ip,5/h/key"}
# Without it, limits would count the proxy, and one person could lock out everybody.
ALLAUTH_TRUSTED_PROXY_COUNT = given.TRUSTED_PROXIES
MFA_ADAPTER = "connectivity.accounts.adapter.MFAAdapter"
MFA_FORMS = {
    "add_webauthn": "connectivity.accounts.forms.AddPasskeyForm",
    "edit_webauthn": "connectivity.accounts.forms.EditPasskeyForm",
    "signup_webauthn": "connectivity.accounts.forms.SignupPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["webauthn", "totp", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = True
MFA_TOTP_ISSUER = "Premium Connectivity"
# WebAuthn refuses plain HTTP, but for localhost while developing.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
USERSESSIONS_TRACK_ACTIVITY = False

globals().update(given.EMAIL or {})
DEFAULT_FROM_EMAIL = given.DEFAULT_FROM_EMAIL
EMAIL_TIMEOUT = 5  # seconds; a person may be waiting for a code

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [
            SELF,
            "https://checkout.stripe.com",
            "https://billing.stripe.com",
            *([SANDBOX_URL] if SANDBOX_URL else []),
        ],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|robots\.txt|metrics)$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEBUG else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
# Two copies on one machine share "localhost": the port keeps their cookies apart.
_cookie = f"{given.WEB_PORT}-{{}}" if EMBEDDED else "{}" if DEBUG else "__Host-{}"
SESSION_COOKIE_NAME = _cookie.format("session")
CSRF_COOKIE_NAME = _cookie.format("csrf")
LANGUAGE_COOKIE_NAME = _cookie.format("language")
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY = not DEBUG, True
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
THEME_COOKIE_NAME = _cookie.format("theme")
