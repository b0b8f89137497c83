"""The calls of a car beside the check: token, pairing code, report, keys (contract: Cars)."""

from typing import Any, cast

import structlog
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import clock
from fleet import credentials, delivery, lease, pairing, rotation, signing, snapshots
from fleet.api import check
from fleet.api.authentication import IsVehicle, VehicleToken
from fleet.api.parsers import Form, Json
from fleet.api.problems import request_id
from fleet.credentials import GRANT_TYPE, Token
from fleet.models import Vehicle

LARGEST = 2**53 - 1
log = structlog.get_logger()


class OAuthRefused(APIException):
    """A refusal in the words of RFC 6749, section 5.2, within a problem document."""

    status_code = status.HTTP_400_BAD_REQUEST

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail, code=error)
        self.members = {"error": error, "error_description": detail}


class Refused(APIException):
    """Well-formed, but it cannot be."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class TokenRequest(serializers.Serializer[Any]):
    """RFC 7523, section 2.1."""

    grant_type = serializers.CharField()
    assertion = serializers.CharField(max_length=4096)


class TokenAnswer(serializers.Serializer[Any]):
    """RFC 6749, section 5.1."""

    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")


class PairingAnswer(serializers.Serializer[Any]):
    """The code that the car shows."""

    user_code = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")


class ReportRequest(serializers.Serializer[Any]):
    """What became of a version in the car."""

    version = serializers.IntegerField(min_value=1, max_value=LARGEST)
    catalog = serializers.IntegerField(min_value=1, max_value=LARGEST)
    result = serializers.ChoiceField(["applied", "failed"])
    reason = serializers.CharField(allow_blank=True, default="")
    at = serializers.DateTimeField(help_text="By the car's clock, RFC 3339.")


class EntitlementAnswer(serializers.Serializer[Any]):
    """The verdict and the lease. Unknown members are to be ignored."""

    vehicle = serializers.UUIDField()
    vin = serializers.CharField()
    version = serializers.IntegerField()
    catalog = serializers.IntegerField()
    plan = serializers.CharField()
    features = serializers.ListField(child=serializers.CharField(), help_text="Open codes.")
    consents = serializers.ListField(
        child=serializers.CharField(),
        help_text="What the owner consents to; open codes, such as `fleet_learning`.",
    )
    reason = serializers.CharField()
    valid_until = serializers.DateTimeField(allow_null=True)
    lease = serializers.CharField(help_text="Compact JWS, `typ` lease+jwt.")


class KeysAnswer(serializers.Serializer[Any]):
    """A JWK Set (RFC 7517)."""

    keys = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


def _vehicle(request: Request) -> Vehicle:
    return cast(Vehicle, request.user)


def _schedule() -> signing.Schedule:
    """Which key signs when, by the site, of which the check asks the same; else by the rows."""
    try:
        known = snapshots.read_lease_schedule()
        if known is not None:
            return signing.parse(known)
    except (snapshots.SiteAway, snapshots.Poisoned, ValueError, TypeError, AttributeError) as error:
        log.warning("lease_schedule_not_at_site", error=str(error))
    return rotation.schedule()


class VehicleView(APIView):
    """What all calls share that need a car's token."""

    authentication_classes = (VehicleToken,)
    permission_classes = (IsVehicle,)
    parser_classes = (Json,)


class TokenView(APIView):
    """An assertion for a token; see fleet.api.ahead for the edge's way."""

    permission_classes = (AllowAny,)
    parser_classes = (Form,)

    @extend_schema(
        operation_id="token",
        request={"application/x-www-form-urlencoded": TokenRequest},
        responses={200: TokenAnswer, 400: OpenApiResponse(description="RFC 6749, section 5.2")},
    )
    def post(self, request: Request) -> Response:
        """Exchange an assertion that is signed with the car's key for a token."""
        given = TokenRequest(data=request.data)
        if not given.is_valid():
            detail = "Send `grant_type` and `assertion` as a form."
            raise OAuthRefused("invalid_request", detail)
        if given.validated_data["grant_type"] != GRANT_TYPE:
            raise OAuthRefused("unsupported_grant_type", f"`grant_type` is to be {GRANT_TYPE}.")
        try:
            issued = credentials.exchange(given.validated_data["assertion"], now=clock.now())
        except credentials.AssertionRefused as error:
            raise OAuthRefused("invalid_grant", str(error)) from error
        return Response(issued.document(), headers={"Cache-Control": "no-store"})


class PairingView(VehicleView):
    """A code that the car shows and its owner types in."""

    @extend_schema(operation_id="pairing", request=None, responses=PairingAnswer)
    def post(self, request: Request) -> Response:
        """Issue a code; it voids the one before."""
        try:
            issued = pairing.issue(_vehicle(request), now=clock.now())
        except pairing.NotDelivered as error:
            raise Refused(str(error), code="not-delivered") from error
        answer = {"user_code": issued.user_code, "expires_in": issued.expires_in}
        return Response(answer, headers={"Cache-Control": "no-store"})


class ReportView(VehicleView):
    """What became of a version in the car; see fleet.api.ahead for the edge's way."""

    @extend_schema(operation_id="report", request=ReportRequest, responses={204: None})
    def put(self, request: Request) -> Response:
        """Store a report; 204 is said once it is committed."""
        given = ReportRequest(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        try:
            delivery.report(
                delivery.Said(
                    vehicle_id=_vehicle(request).id,
                    generation=cast(Token, request.auth).generation,
                    version=said["version"],
                    catalog=said["catalog"],
                    applied=said["result"] == "applied",
                    reason=said["reason"],
                    at=said["at"],
                    received_at=clock.now(),
                )
            )
        except delivery.AheadOfUs as error:
            raise Refused(str(error), code="never-issued") from error
        except delivery.FormerUnit as error:
            raise AuthenticationFailed(str(error), code="token-invalid") from error
        return Response(status=status.HTTP_204_NO_CONTENT)


class KeysView(APIView):
    """The keys of leases."""

    permission_classes = (AllowAny,)

    @extend_schema(operation_id="keys", responses=KeysAnswer)
    def get(self, _request: Request) -> Response:
        """Return the JWK Set with which a car checks its leases."""
        published = lease.jwks(_schedule(), now=int(clock.unix()))
        return Response(published, headers={"Cache-Control": "public, max-age=3600"})


class EntitlementView(APIView):
    """The check, as any Django server can serve it; connectivity.edge answers ahead of it."""

    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="entitlement",
        # The check reads the token itself, without DRF, so that both servers of it are alike.
        auth=[{"vehicleToken": []}],  # type: ignore[list-item] # what OpenAPI wants is an object
        parameters=[
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description="`wait=N` (RFC 7240): hold a 304 for up to N seconds, at most 50.",
            ),
        ],
        responses={200: EntitlementAnswer, 304: None},
    )
    def get(self, request: Request) -> HttpResponse:
        """Return what the car is entitled to now, or 304 if that is what it holds."""
        authorization, tags = (
            request.headers.get(name, "").encode("latin-1", "replace")
            for name in ("Authorization", "If-None-Match")
        )
        asked = check.Asked(request_id=request_id().encode())
        now = int(clock.unix())
        status, head, body = async_to_sync(check.answer_once)(authorization, tags, asked, now=now)
        headers = {name.decode().title(): value.decode() for name, value in check.headers(head)}
        response = HttpResponse(body, status=status, headers=headers)
        if status == 304:
            del response["Content-Type"]  # which Django adds, and a body that is not there lacks
        return response
