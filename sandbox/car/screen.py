"""Serves the demo car's screen and passes its buttons on through storage; it must never talk to
the edge, nor decide what the car does.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import flask
from werkzeug.wrappers import Response

from sandbox.car import view
from sandbox.car.config import clock_file
from sandbox.car.identity import DEMO
from sandbox.car.storage import Storage
from sandbox.car.timekeeping import CarClock
from sandbox.clock import Clock

# The car's process beats every two seconds.
_SILENT_AFTER = 8.0

_BUTTONS: dict[str, Callable[[Storage], None]] = {
    "pairing": lambda storage: storage.press_pairing(DEMO.vin),
    "pairing-hide": lambda storage: storage.hide_pairing(DEMO.vin),
    "sleep": lambda storage: storage.turn(DEMO.vin, "asleep", on=True),
    "wake": lambda storage: storage.turn(DEMO.vin, "asleep", on=False),
    "signal-off": lambda storage: storage.turn(DEMO.vin, "no_signal", on=True),
    "signal-on": lambda storage: storage.turn(DEMO.vin, "no_signal", on=False),
    "hold-reports": lambda storage: storage.turn(DEMO.vin, "reports_held", on=True),
    "release-reports": lambda storage: storage.turn(DEMO.vin, "reports_held", on=False),
}


def create_blueprint(data_dir: Path) -> flask.Blueprint:
    """The pages under `/car/`; `data_dir` is the folder in which the car's process keeps its
    storage. The car's process may start later, or not at all: the screen says so.
    """
    blueprint = flask.Blueprint(
        "car",
        __name__,
        url_prefix="/car",
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    clock = Clock(clock_file(data_dir.resolve(), os.environ))

    @blueprint.get("/")
    def screen() -> str:
        return flask.render_template("car/screen.html", car=_state(data_dir, clock))

    @blueprint.get("/state.json")
    def state() -> Response:
        answer = flask.jsonify(_state(data_dir, clock))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @blueprint.post("/<button>")
    def press(button: str) -> Response:
        action = _BUTTONS.get(button)
        if action is None:
            flask.abort(404)
        _refuse_other_sites()
        storage = Storage(data_dir)
        try:
            action(storage)
        finally:
            storage.close()
        return flask.redirect(flask.url_for("car.screen"), 303)

    return blueprint


def _state(data_dir: Path, clock: Clock) -> dict[str, object]:
    storage = Storage(data_dir)
    try:
        memory = storage.memory(DEMO.vin)
        switches = storage.switches(DEMO.vin)
        running = time.time() - storage.alive_at(DEMO.vin) < _SILENT_AFTER
    finally:
        storage.close()
    now = CarClock(clock.now, offset=memory.clock_offset, floor=memory.clock_floor).now()
    return view.state(view.Scene(DEMO.vin, memory, switches, running, now))


def _refuse_other_sites() -> None:
    """A page of another origin in the same browser must not press this car's buttons."""
    origin = flask.request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != flask.request.host:
        flask.abort(403)
