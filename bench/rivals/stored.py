"""What the rivals keep in Redis: a JSON document per vehicle, in a database of their own."""

import json
from typing import Any

from billing.entitlements import Grant

KEY = "entitlement:"
FEATURES = ["live_traffic", "satellite_maps", "streaming"]


def url(site: str) -> str:
    """The same server, another database."""
    return site.replace("db=0", "db=1")


def document(vin: str, version: int, grants: tuple[Grant, ...]) -> bytes:
    """What is kept of a vehicle."""
    facts = [[grant.plan, grant.starts_at, grant.ends_at] for grant in grants]
    return json.dumps({"vin": vin, "version": version, "grants": facts}).encode()


def shown(facts: dict[str, Any], now: int) -> dict[str, Any]:
    """What a car is told: its plan now, and until when."""
    ends = [end for _, start, end in facts["grants"] if start <= now and (end or now + 1) > now]
    return {
        "vin": facts["vin"],
        "version": facts["version"],
        "plan": "premium" if ends else "standard",
        "features": FEATURES if ends else [],
        "valid_until": max(ends) if ends and None not in ends else None,
    }
