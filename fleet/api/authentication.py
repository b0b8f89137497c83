"""Which car is asking, for the calls that go to PostgreSQL anyway."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from billing import clock
from fleet import credentials
from fleet.models import Vehicle


class VehicleToken(BaseAuthentication):
    """A car's bearer token (RFC 6750)."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the vehicle that the token names; None without a token."""
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        try:
            who = credentials.read_header(header, now=int(clock.unix()))
            vehicle = Vehicle.objects.filter(id=who.vehicle_id).first()
            gone = vehicle is None or vehicle.removed_at is not None
            credentials.compare(who, vehicle.credential_generation if vehicle else 0, removed=gone)
        except credentials.TokenInvalid as error:
            raise AuthenticationFailed(str(error), code="token-invalid") from error
        return vehicle, who

    def authenticate_header(self, _request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"


class VehicleTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # theirs
    """The token as the schema names it."""

    target_class = VehicleToken
    name = "vehicleToken"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        """Return a Security Scheme Object (OpenAPI 3.1)."""
        return {"type": "http", "scheme": "bearer"}


class IsVehicle(BasePermission):
    """Only a car that has shown its token."""

    message = "Send the car's token as `Authorization: Bearer …`."

    def has_permission(self, request: Request, _view: Any) -> bool:
        """Whether a car is asking."""
        return isinstance(request.user, Vehicle)
