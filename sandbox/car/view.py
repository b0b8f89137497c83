"""Decides what a car's screen says, in words, from what the car remembers; it must never read a
clock, storage or the network.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sandbox.car import lease as leases
from sandbox.car.answers import Kind
from sandbox.car.storage import APPLIED, Memory, Report, Switches

STANDARD_TILES = (
    ("navigation", "Navigation"),
    ("bluetooth", "Bluetooth"),
    ("updates", "Software updates"),
)
# A car shows what it was built to draw; a code that it does not know appears by its code.
PREMIUM_TILES = (
    ("live_traffic", "Live traffic"),
    ("satellite_maps", "Satellite maps"),
    ("video_streaming", "Video streaming"),
    ("music_streaming", "Music streaming"),
    ("karaoke", "Karaoke"),
    ("browser", "Browser"),
    ("live_camera", "Live camera"),
)
# With this consent, and without any other word, the car sends clips of its cameras.
FLEET_LEARNING = "fleet_learning"
_KNOWN = {code for code, _ in PREMIUM_TILES}


@dataclass(frozen=True)
class Scene:
    """All that the screen is drawn from; `now` is the car's time in Unix seconds."""

    vin: str
    memory: Memory
    switches: Switches
    running: bool
    now: float


def state(scene: Scene) -> dict[str, Any]:
    """The screen as data: facts for whoever reads `state.json`, and ready words for the page."""
    memory = scene.memory
    lease, lease_words = _lease(scene)
    verdict = lease.verdict(scene.now) if lease else leases.Verdict(leases.STANDARD, ())
    link, link_words = _link(scene)
    pairing = _pairing(scene)
    return {
        "vin": scene.vin,
        "now": _iso(scene.now),
        "link": link,
        "plan": verdict.plan,
        "features": list(verdict.features),
        "consents": list(verdict.consents),
        "version": memory.version,
        "catalog": memory.catalog,
        "pairing": pairing,
        "lease_expires_at": _iso(lease.expires_at) if lease else None,
        "last_contact_at": _iso(memory.last_contact_at),
        "next_check_at": _iso(memory.next_check_at),
        "problem": memory.problem or None,
        "report": _facts(memory.report) if memory.report else None,
        "switches": {
            "asleep": scene.switches.asleep,
            "no_signal": scene.switches.no_signal,
            "hold_reports": scene.switches.reports_held,
        },
        "tiles": _tiles(verdict),
        "texts": {"link": link_words, "lease": lease_words, **_texts(scene, verdict, pairing)},
        "shows": {
            "problem": bool(memory.problem) and link in ("busy", "refused"),
            "code": pairing["state"] == "shown",
            "hide": pairing["state"] in ("shown", "refused"),
        },
    }


def _facts(report: Report) -> dict[str, Any]:
    return {
        "version": report.version,
        "catalog": report.catalog,
        "result": report.result,
        "reason": report.reason,
        "sent": report.settled,
    }


def _texts(scene: Scene, verdict: leases.Verdict, pairing: dict[str, Any]) -> dict[str, str]:
    memory = scene.memory
    return {
        "clock": _local(scene.now).strftime("%H:%M"),
        "date": _day(scene.now),
        "plan": _title(verdict.plan),
        "plan_line": _plan_line(verdict),
        "contact": _moment(memory.last_contact_at, scene.now),
        "told": f"{memory.version}.{memory.catalog}" if memory.version else "Nothing yet",
        "report": _report(scene),
        "clips": "May be sent" if FLEET_LEARNING in verdict.consents else "None",
        "problem": memory.problem,
        "pairing": pairing["words"],
        "code": pairing["code"] or "",
        "connect": "Get a new code" if pairing["code"] else "Connect to my account",
    }


def _lease(scene: Scene) -> tuple[leases.Lease | None, str]:
    memory = scene.memory
    if not memory.lease:
        return None, "Nothing yet"
    try:
        lease = leases.read(memory.lease, keys=leases.parse_keys(memory.jwks), vin=scene.vin)
        lease.check_time(scene.now)
    except leases.LeaseError as error:
        if error.reason == leases.Reason.EXPIRED:
            return None, "Ended. Connect to renew"
        return None, "Not valid. Connect to renew"
    return lease, _day(lease.expires_at)


def _link(scene: Scene) -> tuple[str, str]:
    if not scene.running:
        return "off", "Car computer is off"
    if scene.switches.asleep:
        return "asleep", "Asleep"
    if scene.switches.no_signal:
        return "no_signal", "No signal"
    words = {
        Kind.SILENT.value: "Service unreachable",
        Kind.BUSY.value: "Service busy",
        Kind.REFUSED.value: "Service refused",
    }
    kind = scene.memory.problem_kind
    if kind in words:
        return kind, words[kind]
    return ("online", "Connected") if scene.memory.last_contact_at else ("starting", "Connecting…")


def _pairing(scene: Scene) -> dict[str, Any]:
    memory, switches = scene.memory, scene.switches
    state = "none"
    words = "Press the button, then type the code into your garage at Premium Connectivity."
    if switches.pairing_presses > memory.pairing_answered:
        state, words = "asking", "Asking for a code…"
    elif switches.pairing_presses > switches.pairing_hidden:
        if memory.pairing_problem:
            state, words = "refused", memory.pairing_problem
        elif memory.pairing_code and scene.now < memory.pairing_expires_at:
            left = int(memory.pairing_expires_at - scene.now)
            state = "shown"
            time = f"{left // 60}:{left % 60:02d}"
            words = f"Type this code into your garage. It works once, within {time}."
        elif memory.pairing_code:
            state, words = "expired", "The code has run out. Press the button for a new one."
    shown = state == "shown"
    return {
        "state": state,
        "code": memory.pairing_code if shown else None,
        "expires_at": _iso(memory.pairing_expires_at) if shown else None,
        "words": words,
    }


def _tiles(verdict: leases.Verdict) -> list[dict[str, Any]]:
    tiles = [_tile(code, name, on=True, words="Included") for code, name in STANDARD_TILES]
    for code, name in PREMIUM_TILES:
        on = code in verdict.features
        tiles.append(_tile(code, name, on=on, words="On" if on else "Premium"))
    strange = (code for code in verdict.features if code not in _KNOWN)
    return tiles + [_tile(code, code, on=True, words="On") for code in strange]


def _tile(code: str, name: str, *, on: bool, words: str) -> dict[str, Any]:
    icon = code if code in _KNOWN or (code, name) in STANDARD_TILES else "other"
    return {"code": code, "name": name, "on": on, "words": words, "icon": icon}


def _report(scene: Scene) -> str:
    report = scene.memory.report
    if report is None:
        return "Nothing yet"
    what = "applied" if report.result == APPLIED else f"failed: {report.reason}"
    if report.settled:
        return f"Sent: {what}"
    return f"Held back: {what}" if scene.switches.reports_held else f"To be sent: {what}"


def _plan_line(verdict: leases.Verdict) -> str:
    if verdict.plan == leases.STANDARD and not verdict.features:
        return "Navigation, Bluetooth and software updates are included."
    return f"{len(verdict.features)} extra features over this car's own connection."


def _title(code: str) -> str:
    return code.replace("_", " ").capitalize()


def _local(instant: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(instant, dt.UTC).astimezone()


def _day(instant: float) -> str:
    local = _local(instant)
    return f"{local.day} {local:%b %Y}"


def _moment(instant: float, now: float) -> str:
    if not instant:
        return "Never"
    local = _local(instant)
    today = local.date() == _local(now).date()
    return f"{local:%H:%M:%S}" if today else f"{_day(instant)}, {local:%H:%M}"


def _iso(instant: float) -> str | None:
    return dt.datetime.fromtimestamp(int(instant), dt.UTC).isoformat() if instant else None
