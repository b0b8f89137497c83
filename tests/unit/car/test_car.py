"""One car against an edge: what it asks, adopts, reports and remembers."""

import dataclasses

import pytest

from tests.unit.car.driving import VIN, Road, drive
from tests.unit.car.edge_double import PREMIUM, SigningKey


def test_a_new_car_gets_a_token_its_document_and_reports_it(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        assert road.edge.calls == ["token", "check", "keys", "report"]
        assert road.car.verdict().plan == "standard"
        (report,) = road.edge.reports
        assert report["version"] == report["catalog"] == 1
        assert (report["result"], report["reason"]) == ("applied", "")
        assert report["at"].endswith("+00:00")
        assert 28 <= road.car.rest() <= 30

    drive(tmp_path, journey)


def test_the_car_waits_as_told_and_then_asks_only_whether_anything_changed(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        await road.car.turn()
        assert road.edge.calls.count("check") == 1
        await road.next_poll()
        assert road.edge.calls[4:] == ["check"]
        assert road.edge.conditions == [None, '"1.1.0.0"']
        assert len(road.edge.reports) == 1

    drive(tmp_path, journey)


def test_a_payment_lights_the_features_and_is_reported(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.edge.give_premium(until=road.edge.now() + 1000)
        await road.next_poll()
        assert road.car.verdict().features == tuple(PREMIUM)
        assert [report["version"] for report in road.edge.reports] == [1, 2]
        road.skip(1000)
        assert road.car.verdict().plan == "standard"

    drive(tmp_path, journey)


def test_nothing_is_forgotten_by_a_restart_and_the_last_report_is_repeated(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.give_premium()
        await road.car.turn()
        road.start()
        assert road.car.verdict().plan == "premium"
        await road.car.turn()
        assert road.edge.calls[4:] == ["check", "report"]
        assert road.edge.conditions[-1] == '"2.1.0.0"'
        assert road.edge.reports[0] == road.edge.reports[1]

    drive(tmp_path, journey)


@pytest.mark.parametrize("status", [500, 503, 429, 403, 404])
def test_a_refusal_or_an_outage_takes_nothing_away(tmp_path, status):
    async def journey(road: Road) -> None:
        road.edge.give_premium()
        await road.car.turn()
        road.edge.refuse("check", status, Retry_After="90")
        await road.next_poll()
        assert road.car.verdict().plan == "premium"
        assert road.car.memory.problem == f"Not now (check). ({status})"
        assert 89 <= road.car.rest() <= 93
        await road.next_poll()
        assert road.car.memory.problem == ""

    drive(tmp_path, journey)


def test_without_an_edge_the_car_keeps_its_lease_and_tries_again_soon(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.give_premium()
        await road.car.turn()
        road.turn("no_signal", on=True)
        assert road.car.is_called()
        await road.car.turn()
        assert road.car.memory.problem == "This car has no signal."
        assert road.car.verdict().plan == "premium"
        assert road.car.rest() <= 2
        asked = len(road.edge.calls)
        road.skip(39 * 86_400)
        assert road.car.verdict().plan == "premium"
        road.skip(2 * 86_400)
        assert road.car.verdict().plan == "standard"
        assert len(road.edge.calls) == asked
        road.turn("no_signal", on=False)
        await road.car.turn()
        assert road.car.verdict().plan == "premium"

    drive(tmp_path, journey)


def test_a_car_without_a_good_lease_asks_for_a_whole_document(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.skip(41 * 86_400)
        await road.car.turn()
        assert road.edge.conditions == [None, None]
        assert road.car.verdict().plan == "standard"
        assert road.car.memory.problem == ""

    drive(tmp_path, journey)


def test_a_token_that_is_no_longer_good_is_replaced_once_and_then_waited_for(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.edge.tokens.clear()
        await road.next_poll()
        assert road.edge.calls[4:] == ["check", "token", "check"]
        road.edge.refuse("check", 401, times=2)
        await road.next_poll()
        assert road.edge.calls[7:] == ["check", "token", "check"]
        assert 0 < road.car.rest() <= 2

    drive(tmp_path, journey)


def test_an_edge_that_cannot_issue_tokens_is_asked_with_the_old_one(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.skip(86_400)
        road.edge.refuse("token", 503)
        await road.car.turn()
        assert road.edge.calls[4:6] == ["token", "check"]
        assert road.car.memory.problem == ""

    drive(tmp_path, journey)


@pytest.mark.parametrize("wrong_by", [-50 * 365 * 86_400, -3_600, 3_600, 20 * 365 * 86_400])
def test_a_car_with_a_wrong_clock_takes_the_edge_s_time_and_tries_once_more(tmp_path, wrong_by):
    async def journey(road: Road) -> None:
        road.skew = wrong_by
        await road.car.turn()
        assert road.edge.calls == ["token", "token", "check", "keys", "report"]
        assert road.car.memory.problem == ""
        road.start()
        road.edge.tokens.clear()
        await road.car.turn()
        assert road.edge.calls[5:] == ["check", "token", "check", "report"]

    drive(tmp_path, journey)


def test_a_car_that_is_refused_with_the_right_time_does_not_insist(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.vin = "5YJ3E1EAXKF000002"
        await road.car.turn()
        assert road.edge.calls == ["token"]
        assert road.car.memory.problem == "invalid_grant (400)"
        assert road.car.rest() > 0

    drive(tmp_path, journey)


def test_what_a_wrong_clock_put_off_is_not_waited_for(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.skew += 36_000
        road.edge.give_premium()
        road.edge.refuse("report", 503, Retry_After="600")
        await road.car.turn()
        road.edge.tokens.clear()
        road.edge.poll_after = "9000"
        await road.next_poll()
        assert road.edge.calls[-4:] == ["check", "token", "token", "check"]
        assert 500 < road.car.rest() < 600

    drive(tmp_path, journey)


def test_each_answer_teaches_the_car_the_time_for_good(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.skip(5_000)
        await road.car.turn()
        assert road.edge.calls[-1] == "check"
        assert road.storage.memory(VIN).clock_floor >= road.edge.now() - 2
        road.skew -= 10_000
        assert road.start().memory.clock_floor >= road.edge.now() - 2
        await road.car.turn()
        assert road.car.memory.problem == ""
        assert road.car.memory.last_contact_at >= road.edge.now() - 2

    drive(tmp_path, journey)


def test_an_older_document_is_not_taken_and_not_reported(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.give_premium()
        await road.car.turn()
        road.edge.version, road.edge.grants = 1, []
        await road.next_poll()
        assert road.car.verdict().plan == "premium"
        assert "already has 2.1" in road.car.memory.problem
        assert len(road.edge.reports) == 1

    drive(tmp_path, journey)


def test_a_bad_lease_is_reported_once_and_the_good_one_stays(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.edge.give_premium()
        road.edge.lease_changes = {"sub": "5YJ3E1EAXKF000002"}
        await road.next_poll()
        await road.next_poll()
        assert road.car.memory.version == 1
        assert road.edge.conditions[-1] == '"1.1.0.0"'
        said = [(r["version"], r["result"], r["reason"]) for r in road.edge.reports]
        assert said == [(1, "applied", ""), (2, "failed", "lease_for_another_car")]
        road.edge.lease_changes = {}
        await road.next_poll()
        assert road.edge.reports[-1]["result"] == "applied"
        assert road.car.verdict().plan == "premium"

    drive(tmp_path, journey)


def test_a_new_signing_key_is_fetched_once(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.edge.signing = SigningKey("k2")
        road.edge.published.append(road.edge.signing)
        road.edge.give_premium()
        await road.next_poll()
        assert road.edge.calls[4:] == ["check", "keys", "report"]
        assert road.car.verdict().plan == "premium"

    drive(tmp_path, journey)


def test_a_key_that_nobody_publishes_is_looked_for_once_per_check_and_reported(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.edge.signing = SigningKey("k2")
        road.edge.give_premium()
        await road.next_poll()
        assert road.edge.calls[4:] == ["check", "keys", "report"]
        assert road.edge.reports[-1]["reason"] == "lease_unknown_key"

    drive(tmp_path, journey)


def test_keys_that_cannot_be_had_slow_the_next_check_to_the_edge_s_pace(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.refuse("keys", 503)
        await road.car.turn()
        assert road.edge.reports == []
        assert road.car.rest() >= 29
        await road.next_poll()
        assert [report["result"] for report in road.edge.reports] == ["applied"]

    drive(tmp_path, journey)


def test_a_key_that_is_withdrawn_voids_the_lease_at_the_next_look(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.give_premium()
        await road.car.turn()
        road.edge.published = [SigningKey("k2")]
        road.skip(86_400)
        await road.car.turn()
        assert road.edge.calls[4:6] == ["token", "check"]
        assert "keys" in road.edge.calls[6:]
        assert road.car.memory.lease == ""
        assert road.car.verdict().plan == "standard"
        road.edge.signing = road.edge.published[0]
        await road.car.turn()
        assert road.edge.conditions[-1] is None
        assert road.car.verdict().plan == "premium"

    drive(tmp_path, journey)


def test_a_report_that_does_not_arrive_is_kept_and_sent_again(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.refuse("report", 503, Retry_After="3")
        await road.car.turn()
        assert road.edge.reports == []
        assert 2 <= road.car.rest() <= 6
        road.start()
        await road.car.turn()
        assert len(road.edge.reports) == 1
        await road.next_poll()
        assert len(road.edge.reports) == 1

    drive(tmp_path, journey)


def test_a_report_that_is_refused_for_good_is_not_repeated(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.refuse("report", 422)
        await road.car.turn()
        assert road.car.memory.problem == "Not now (report). (422)"
        await road.next_poll()
        assert road.edge.calls.count("report") == 1

    drive(tmp_path, journey)


def test_held_reports_are_sent_when_released(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.turn("reports_held", on=True)
        road.edge.give_premium()
        await road.next_poll()
        assert road.car.verdict().plan == "premium"
        assert len(road.edge.reports) == 1
        road.turn("reports_held", on=False)
        assert road.car.is_called()
        checks = road.edge.calls.count("check")
        await road.car.turn()
        assert [report["version"] for report in road.edge.reports] == [1, 2]
        assert road.edge.calls.count("check") == checks

    drive(tmp_path, journey)


def test_a_report_is_held_even_if_the_switch_comes_while_the_car_is_asking(tmp_path):
    async def journey(road: Road) -> None:
        road.edge.meanwhile["check"] = lambda: road.turn("reports_held", on=True)
        await road.car.turn()
        assert road.car.memory.version == 1
        assert road.edge.reports == []

    drive(tmp_path, journey)


def test_a_sleeping_car_asks_nothing_and_a_woken_one_asks_at_once(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.turn("asleep", on=True)
        road.skip(3600)
        await road.car.turn()
        assert road.car.rest() == float("inf")
        assert road.edge.calls.count("check") == 1
        road.turn("asleep", on=False)
        await road.car.turn()
        assert road.edge.calls.count("check") == 2

    drive(tmp_path, journey)


def test_a_press_of_the_button_brings_one_code(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.storage.press_pairing(VIN)
        assert road.car.is_called()
        await road.car.turn()
        await road.car.turn()
        assert road.edge.calls.count("pairing") == 1
        assert road.edge.calls.count("check") == 2
        memory = road.car.memory
        assert memory.pairing_code == "WDJB-MJHT"
        assert memory.pairing_expires_at > memory.last_contact_at + 800

    drive(tmp_path, journey)


def test_a_code_that_is_refused_says_why_and_a_busy_edge_is_asked_again(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        road.edge.refuse("pairing", 503)
        road.edge.refuse("pairing", 403)
        road.storage.press_pairing(VIN)
        await road.car.turn()
        assert road.car.memory.pairing_answered == 0
        await road.next_poll()
        assert road.car.memory.pairing_problem == "Not now (pairing). (403)"
        assert road.car.memory.pairing_answered == 1
        assert road.edge.calls.count("pairing") == 2

    drive(tmp_path, journey)


def test_what_a_car_remembers_is_on_disk_after_each_turn(tmp_path):
    async def journey(road: Road) -> None:
        await road.car.turn()
        stored = road.storage.memory(VIN)
        assert stored == dataclasses.replace(road.car.memory)
        assert stored.document["new_member"] == 1

    drive(tmp_path, journey)
