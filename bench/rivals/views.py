"""The check as views of the Django REST Framework: over Redis, and over PostgreSQL."""

import json
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.rivals.stored import KEY, shown, url
from billing import clock
from billing.models import Grant
from fleet import credentials
from fleet.models import Vehicle

_redis = redis.Redis.from_url(url(settings.SITES[settings.SITE]))


class CarToken(BaseAuthentication):
    """The car's bearer token, which is good without asking anybody."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        """Return what the token says."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        try:
            return credentials.read_header(header, now=int(clock.unix())), None
        except credentials.TokenInvalid as error:
            raise AuthenticationFailed(str(error)) from error

    def authenticate_header(self, _request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"


class IsCar(BasePermission):
    """Only who has shown a token."""

    def has_permission(self, request: Request, _view: Any) -> bool:
        """Whether a car is asking."""
        return request.user is not None


class OverRedis(APIView):
    """One question to Redis."""

    authentication_classes = [CarToken]
    permission_classes = [IsCar]

    def get(self, request: Request) -> Response:
        """Tell a car what it may do now."""
        value: Any = _redis.get(KEY + _car(request).hex)
        if value is None:
            raise NotFound
        return Response(shown(json.loads(value), int(clock.unix())))


class OverPostgres(APIView):
    """Two queries: the vehicle, and its grants with the version."""

    authentication_classes = [CarToken]
    permission_classes = [IsCar]

    def get(self, request: Request) -> Response:
        """Tell a car what it may do now."""
        vehicle = Vehicle.objects.filter(id=_car(request), removed_at=None).first()
        if vehicle is None:
            raise NotFound
        grants = list(Grant.objects.filter(subject_id=vehicle.pk).select_related("subject"))
        facts = {
            "vin": vehicle.vin,
            "version": grants[0].subject.version if grants else 1,
            "grants": [
                (
                    grant.plan,
                    int(grant.starts_at.timestamp()),
                    int(grant.ends_at.timestamp()) if grant.ends_at else None,
                )
                for grant in grants
            ],
        }
        return Response(shown(facts, int(clock.unix())))


def _car(request: Request) -> UUID:
    """Which one is asking."""
    token: Any = request.user
    return UUID(str(token.vehicle_id))


urlpatterns = [
    path("redis", OverRedis.as_view()),
    path("postgres", OverPostgres.as_view()),
]
