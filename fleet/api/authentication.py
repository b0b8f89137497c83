"""Which car is asking, for the calls that go to PostgreSQL anyway."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from billing import clock
from fleet import credentials
from fleet.credentials import Token
from fleet.models import Vehicle


class VehicleToken(BaseAuthentication):
    """A car's bearer token (RFC 6750); a request without a good one goes no further."""

    def authenticate(self, request: Request) -> tuple[Vehicle, Token]:
        """Return the vehicle that the token names, and the token."""
        try:
            token = credentials.read_header(
                request.headers.get("Authorization", ""), now=int(clock.unix())
            )
            return _vehicle(token), token
        except credentials.TokenInvalid as error:
            raise AuthenticationFailed(str(error), code="token-invalid") from error

    def authenticate_header(self, _request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer error="invalid_token"'


class VehicleTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # theirs
    """The token as the schema names it."""

    target_class = VehicleToken
    name = "vehicleToken"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        """Return a Security Scheme Object (OpenAPI 3.1)."""
        return {"type": "http", "scheme": "bearer"}


class IsVehicle(BasePermission):
    """Only a car, as VehicleToken has made sure of."""

    def has_permission(self, request: Request, _view: Any) -> bool:
        """Whether a car is asking."""
        return isinstance(request.user, Vehicle)


def _vehicle(token: Token) -> Vehicle:
    vehicle = Vehicle.objects.filter(id=token.vehicle_id, removed_at=None).first()
    if vehicle is None:
        raise credentials.TokenInvalid("There is no such car any more.")
    credentials.compare(token.generation, vehicle.credential_generation, removed=False)
    return vehicle
