"""The car's screen: what it says, and that its buttons reach the car."""

import re
import time
from html.parser import HTMLParser
from typing import Any

import flask
import pytest

from sandbox.car import keys, screen, view
from sandbox.car.identity import DEMO
from sandbox.car.storage import APPLIED, Memory, Report, Storage, Switches
from tests.unit.car.edge_double import DAY, SigningKey, make_lease, premium_grant

NOW = 1_795_335_600
KEY = SigningKey("k1")
KNOWN = ["live_traffic", "satellite_maps", "video_streaming", "music_streaming", "karaoke",
         "browser", "live_camera"]  # fmt: skip


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path)
    storage.enrol([DEMO.vin], keys.new_key)
    yield storage
    storage.close()


@pytest.fixture
def browser(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    app = flask.Flask("screen")
    app.register_blueprint(screen.create_blueprint(tmp_path))
    return app.test_client()


def scene(memory: Memory = Memory(), *, running: bool = True, now: float = NOW, **switches):  # noqa: B008 - a frozen value
    return view.state(view.Scene(DEMO.vin, memory, Switches(**switches), running, now))


def leased(*grants: dict, **more: Any) -> Memory:
    lease = make_lease(KEY, DEMO.vin, NOW, grants=list(grants))
    jwks = {"keys": [KEY.jwk]}
    return Memory(lease=lease, jwks=jwks, last_contact_at=NOW, version=2, catalog=1, **more)


def lit(state: dict) -> set[str]:
    return {tile["code"] for tile in state["tiles"] if tile["on"]}


def test_standard_s_own_features_are_always_lit():
    included = {"navigation", "bluetooth", "updates"}
    assert lit(scene()) == lit(scene(leased())) == included
    premium = [tile for tile in scene()["tiles"] if tile["words"] == "Premium"]
    assert [tile["code"] for tile in premium] == KNOWN


def test_premium_lights_its_features_until_its_end():
    memory = leased(premium_grant(NOW, NOW + 60))
    state = scene(memory)
    assert (state["plan"], state["texts"]["plan"]) == ("premium", "Premium")
    assert {"live_traffic", "satellite_maps", "video_streaming"} < lit(state)
    assert "karaoke" not in lit(state)
    after = scene(memory, now=NOW + 60)
    assert (after["plan"], after["features"]) == ("standard", [])


def test_clips_are_sent_by_the_lease_s_consent_alone_and_no_longer_than_it_holds():
    lease = make_lease(KEY, DEMO.vin, NOW, consents=["fleet_learning"])
    memory = Memory(lease=lease, jwks={"keys": [KEY.jwk]}, document={"consents": []})
    state = scene(memory)
    assert (state["consents"], state["texts"]["clips"]) == (["fleet_learning"], "May be sent")
    unsigned = Memory(lease=make_lease(KEY, DEMO.vin, NOW), jwks={"keys": [KEY.jwk]},
                      document={"consents": ["fleet_learning"]})  # fmt: skip
    for silent in (scene(unsigned), scene(memory, now=NOW + 40 * DAY), scene()):
        assert (silent["consents"], silent["texts"]["clips"]) == ([], "None")


def test_a_code_that_the_car_does_not_know_appears_by_its_code():
    grant = {"plan": "premium", "features": ["seat_massage"], "from": NOW, "until": None}
    tile = scene(leased(grant))["tiles"][-1]
    assert (tile["code"], tile["name"], tile["icon"]) == ("seat_massage", "seat_massage", "other")


def test_the_lease_says_until_when_it_is_good():
    memory = leased(premium_grant(NOW, None))
    assert scene()["texts"]["lease"] == "Nothing yet"
    assert scene(memory)["texts"]["lease"] == "1 Jan 2027"
    ended = scene(memory, now=NOW + 40 * DAY)
    assert (ended["plan"], ended["lease_expires_at"]) == ("standard", None)
    assert ended["texts"]["lease"] == "Ended. Connect to renew"


@pytest.mark.parametrize(
    ("given", "link", "words"),
    [
        ({"running": False}, "off", "Car computer is off"),
        ({"asleep": True}, "asleep", "Asleep"),
        ({"no_signal": True}, "no_signal", "No signal"),
        ({}, "starting", "Connecting…"),
        ({"memory": Memory(last_contact_at=NOW)}, "online", "Connected"),
        ({"memory": Memory(problem_kind="silent")}, "silent", "Service unreachable"),
        ({"memory": Memory(problem_kind="busy")}, "busy", "Service busy"),
        ({"memory": Memory(problem_kind="refused")}, "refused", "Service refused"),
    ],
)
def test_the_connection_is_said_in_words(given, link, words):
    state = scene(**given)
    assert (state["link"], state["texts"]["link"]) == (link, words)


def test_a_refusal_is_shown_in_the_edge_s_own_words():
    state = scene(Memory(problem="This car is not delivered yet. (403)", problem_kind="refused"))
    assert state["shows"]["problem"]
    assert state["texts"]["problem"] == "This car is not delivered yet. (403)"


def test_a_pairing_code_goes_from_asked_for_to_shown_to_run_out():
    memory = Memory(pairing_code="WDJB-MJHT", pairing_expires_at=NOW + 65, pairing_answered=1)
    assert scene()["pairing"]["state"] == "none"
    assert scene(pairing_presses=1)["pairing"]["state"] == "asking"
    shown = scene(memory, pairing_presses=1)["pairing"]
    assert (shown["state"], shown["code"]) == ("shown", "WDJB-MJHT")
    assert "It works once, within 1:05." in shown["words"]
    late = scene(memory, pairing_presses=1, now=NOW + 65)["pairing"]
    assert (late["state"], late["code"]) == ("expired", None)
    hidden = scene(memory, pairing_presses=1, pairing_hidden=1)["pairing"]
    assert (hidden["state"], hidden["code"]) == ("none", None)
    again = scene(memory, pairing_presses=2, pairing_hidden=1)["pairing"]
    assert again["state"] == "asking"


def test_a_refused_code_says_why():
    memory = Memory(pairing_problem="Not delivered. (403)", pairing_answered=1)
    pairing = scene(memory, pairing_presses=1)["pairing"]
    assert (pairing["state"], pairing["words"]) == ("refused", "Not delivered. (403)")


@pytest.mark.parametrize(
    ("settled", "held", "words"),
    [(True, False, "Sent: applied"), (False, True, "Held back: applied"),
     (False, False, "To be sent: applied")],
)  # fmt: skip
def test_applied_and_said_are_different_facts(settled, held, words):
    report = Report(2, 1, APPLIED, "", at=NOW, settled=settled)
    assert scene(leased(report=report), reports_held=held)["texts"]["report"] == words


def test_the_screen_stands_before_the_car_has_ever_started(browser):
    answer = browser.get("/car/")
    assert answer.status_code == 200
    assert "Car computer is off" in answer.text
    assert browser.get("/car/state.json").json["link"] == "off"


def test_the_screen_shows_the_running_car_in_its_own_time(browser, storage, tmp_path):
    storage.beat(DEMO.vin, time.time())
    (tmp_path / "clock").write_text("864000")
    storage.save(DEMO.vin, leased(premium_grant(NOW, None)))
    state = browser.get("/car/state.json").json
    assert state["link"] == "online"
    ahead = time.time() + 864_000
    assert state["now"][:10] == time.strftime("%Y-%m-%d", time.gmtime(ahead))
    page = browser.get("/car/").text
    assert DEMO.vin in page
    assert "Sandbox</a> – no real car" in page


def test_each_button_reaches_the_car_and_leads_back(browser, storage):
    def press(button: str) -> Any:
        answer = browser.post(f"/car/{button}")
        assert (answer.status_code, answer.location) == (303, "/car/")
        return storage.switches(DEMO.vin)

    assert press("hold-reports").reports_held
    assert not press("release-reports").reports_held
    assert press("sleep").asleep
    assert not press("wake").asleep
    assert press("signal-off").no_signal
    assert not press("signal-on").no_signal
    assert press("pairing").pairing_presses == 1
    assert press("pairing-hide").pairing_hidden == 1


def test_other_buttons_and_other_sites_are_refused(browser, storage):
    assert browser.post("/car/explode").status_code == 404
    assert browser.get("/car/sleep").status_code in (404, 405)
    assert browser.post("/car/sleep", headers={"Origin": "http://evil.test"}).status_code == 403
    assert not storage.switches(DEMO.vin).asleep
    own = browser.post("/car/sleep", headers={"Origin": "http://localhost"})
    assert own.status_code == 303


class _Page(HTMLParser):
    """Collects what a strict content policy would forbid, and what the page links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.links += [given[name] for name in ("href", "src") if given.get(name)]


def test_the_page_has_nothing_inline_and_links_only_to_what_is_there(browser):
    page = _Page(browser.get("/car/").text)
    assert page.inline == []
    files = {link.partition("#")[0] for link in page.links if link.startswith("/car/static/")}
    assert len(files) == 4
    for file in files:
        with browser.get(file) as answer:
            assert answer.status_code == 200
    with browser.get("/car/static/icons.svg") as answer:
        drawn = set(re.findall(r'id="(\w+)"', answer.text))
    used = {link.partition("#")[2] for link in page.links if "icons.svg#" in link}
    assert used <= drawn
    assert {"other", *KNOWN} <= drawn


def test_without_script_the_page_refreshes_itself(browser):
    assert '<noscript><meta http-equiv="refresh"' in browser.get("/car/").text
