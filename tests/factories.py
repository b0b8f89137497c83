"""Makes what tests begin with: people, and cars with real keys."""

import base64
import itertools
import json
import time
import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from billing import clock, subjects
from fleet import vin as vins
from fleet.models import Ownership, Vehicle

_numbers = itertools.count(1)


def next_vin() -> str:
    """A VIN that no other test of this run has, with its right check digit."""
    text = f"5YJ3E1EA0KF{next(_numbers):06d}"
    return text[:8] + vins.check_digit(text) + text[9:]


def make_user(email: str = "", **fields: Any):
    """A person; without an email, a new one."""
    address = email or f"person{next(_numbers)}@example.com"
    return get_user_model().objects.create_user(address, **fields)


@dataclass
class Car:
    """A car that speaks to the edge's views in-process, with a real key."""

    vehicle: Vehicle
    key: Ed25519PrivateKey
    token: str = ""
    etag: str = ""

    def assertion(self, **changed: Any) -> str:
        """A fresh assertion; `changed` claims replace the right ones."""
        now = int(clock.unix())
        claims = {
            "iss": self.vehicle.vin,
            "sub": self.vehicle.vin,
            "aud": "premium-connectivity",
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode({**claims, **changed}, self.key, algorithm="EdDSA")

    def sign_in(self) -> HttpResponse:
        """Get a token for an assertion."""
        answer = exchange(self.assertion())
        if answer.status_code == 200:
            self.token = body(answer)["access_token"]
        return answer

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> HttpResponse:
        """Call the edge as this car."""
        headers.setdefault("authorization", f"Bearer {self.token}")
        return call(method, path, data, **headers)

    def check(self) -> HttpResponse:
        """Ask what it may do now, naming what it holds."""
        answer = self.call("GET", "/vehicle/v1/entitlement", if_none_match=self.etag)
        self.etag = answer.headers.get("ETag", self.etag)
        return answer

    def plan(self) -> str:
        """The plan that it is told now, whatever it holds."""
        self.etag = ""
        return str(body(self.check())["plan"])

    def report(self, result: str = "applied", **changed: Any) -> HttpResponse:
        """Report what it holds as applied."""
        version, catalog = self.etag.strip('"').split(".")[:2]
        said = {"version": int(version), "catalog": int(catalog), "result": result}
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.unix()))
        return self.call("PUT", "/vehicle/v1/entitlement/report", {**said, "at": at, **changed})


def call(method: str, path: str, data: Any = None, **headers: str) -> HttpResponse:
    """Call a view of the edge."""
    names = {name.replace("_", "-"): value for name, value in headers.items() if value}
    kind = names.pop("content-type", "application/json")
    content = data if isinstance(data, str) else json.dumps(data) if data is not None else ""
    request = RequestFactory().generic(method, path, content, content_type=kind, headers=names)
    found = resolve(path, "connectivity.edge_urls")
    answer = found.func(request, *found.args, **found.kwargs)
    rendered: HttpResponse = answer.render() if hasattr(answer, "render") else answer
    return rendered


def exchange(
    assertion: str, grant: str = "urn:ietf:params:oauth:grant-type:jwt-bearer"
) -> HttpResponse:
    """Ask for a token."""
    form = f"grant_type={grant}&assertion={assertion}"
    kind = "application/x-www-form-urlencoded"
    return call("POST", "/vehicle/v1/token", form, content_type=kind)


def body(answer: HttpResponse) -> Any:
    """The JSON in an answer."""
    return json.loads(answer.content)


def make_car(owner: Any = None, **facts: Any) -> Car:
    """A car that was imported, with its subject; owned if an owner is named."""
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    defaults = {
        "vin": next_vin(),
        "model": "model_3",
        "hardware": "mcu3",
        "market": "US",
        "delivered_on": date(2025, 6, 1),
        "public_key": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    }
    vehicle = Vehicle.objects.create(**{**defaults, **facts})
    now = clock.now()
    subjects.create([vehicle.id], now=now)
    if owner is not None:
        Ownership.objects.create(vehicle=vehicle, owner=owner, starts_at=now)
    return Car(vehicle, key)
