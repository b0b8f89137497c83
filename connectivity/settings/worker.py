"""Celery: as the web, but with nobody to show a fault to; in debug each query would be kept."""

from connectivity.settings.web import *  # noqa: F403 -- Django's settings are one namespace

DEBUG = False
