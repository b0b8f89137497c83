"""Cars come in from a file: what is good goes in, what is bad is named, a second run is quiet."""

import io
import random
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing.models import Change, Grant, Subject
from billing.models import DomainEvent as BillingEvent
from fleet import imports
from fleet.imports.markets import MARKETS
from fleet.models import DomainEvent, Vehicle
from tests import vehicles_csv

pytestmark = pytest.mark.django_db

HEADER = "vin,model,hardware,market,delivered_on,public_key,connectivity"
VIN, OTHER = "5YJ3E1EA0KF000316", "5YJ3E1EAXKF000002"
KEY = vehicles_csv.public_key(random.Random(7))
OTHER_KEY = vehicles_csv.public_key(random.Random(8))


def line(**changes: str) -> str:
    values = {
        "vin": VIN,
        "model": "model_3",
        "hardware": "mcu3",
        "market": "US",
        "delivered_on": "2026-11-01",
        "public_key": KEY,
        "connectivity": "standard",
    }
    return ",".join((values | changes).values())


@pytest.fixture
def bring_in(tmp_path: Path):
    """Import what is given and return (exit status, stdout, stderr)."""

    def run(content: str | bytes) -> tuple[int, str, str]:
        file = tmp_path / "cars.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command("import_vehicles", str(file), stdout=out, stderr=err)
        except CommandError as error:
            return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
        return 0, out.getvalue(), err.getvalue()

    return run


def lines(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def everything() -> list[tuple]:
    """All that an import may write, to see that it wrote nothing."""
    return [
        *Vehicle.objects.order_by("vin").values_list(),
        *Subject.objects.order_by("id").values_list(),
        *Change.objects.order_by("id").values_list(),
        *Grant.objects.order_by("id").values_list(),
        *DomainEvent.objects.order_by("id").values_list(),
        *BillingEvent.objects.order_by("id").values_list(),
    ]


def test_a_new_car_is_a_vehicle_a_subject_and_an_event(bring_in) -> None:
    status, out, err = bring_in(lines(line()))
    assert (status, err) == (0, "")
    assert "Cars added: 1, changed: 0, as they were: 0. Bad lines: 0." in out
    car = Vehicle.objects.get(vin=VIN)
    assert (car.model, car.hardware, car.market) == ("model_3", "mcu3", "US")
    assert (car.delivered_on, car.public_key) == (date(2026, 11, 1), KEY)
    assert (car.credential_generation, car.lifetime_premium) == (1, False)
    assert Subject.objects.get(id=car.id).version == 1
    assert Change.objects.get(subject_id=car.id).version == 1
    assert [event.kind for event in car.events.all()] == ["vehicle_imported"]
    assert not Grant.objects.exists()


def test_a_trial_is_thirty_days_from_delivery(bring_in) -> None:
    bring_in(lines(line(connectivity="trial")))
    grant = Grant.objects.get(subject_id=Vehicle.objects.get().id)
    assert (grant.plan, grant.source) == ("premium", "trial")
    assert grant.starts_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert grant.ends_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_lifetime_premium_has_no_end_and_needs_no_delivery(bring_in) -> None:
    bring_in(lines(line(connectivity="lifetime", delivered_on="")))
    car = Vehicle.objects.get()
    grant = Grant.objects.get(subject_id=car.id)
    assert car.lifetime_premium
    assert (grant.source, grant.ends_at) == ("factory", None)


def test_a_trial_begins_when_a_later_file_says_delivered(bring_in) -> None:
    bring_in(lines(line(connectivity="trial", delivered_on="")))
    assert not Grant.objects.exists()
    _, out, _ = bring_in(lines(line(connectivity="trial")))
    car = Vehicle.objects.get()
    assert "Cars added: 0, changed: 1" in out
    assert car.delivered_on == date(2026, 11, 1)
    assert Grant.objects.get(subject_id=car.id).starts_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert Subject.objects.get(id=car.id).version == 2
    assert car.events.get(kind="vehicle_changed").data == {"delivered_on": "2026-11-01"}


def test_premium_does_not_go_to_a_car_without_a_modem(bring_in) -> None:
    content = lines(
        line(hardware="none", connectivity="lifetime"),
        line(vin=OTHER, public_key=OTHER_KEY, hardware="none", connectivity="trial"),
    )
    status, out, _ = bring_in(content)
    assert status == 0
    assert "Premium for a car without a modem" in out
    assert "Lines: 2 (2, 3)." in out
    assert not Grant.objects.exists()
    assert not Vehicle.objects.filter(lifetime_premium=True).exists()
    before = everything()
    assert bring_in(content)[0] == 0
    assert everything() == before


def test_changed_facts_are_taken_over_and_counted(bring_in) -> None:
    bring_in(lines(line(), line(vin=OTHER, public_key=OTHER_KEY)))
    changed = line(model="model_3_lr", hardware="mcu2", market="CA")
    _, out, _ = bring_in(lines(changed, line(vin=OTHER, public_key=OTHER_KEY)))
    assert "Cars added: 0, changed: 1, as they were: 1" in out
    car, other = Vehicle.objects.get(vin=VIN), Vehicle.objects.get(vin=OTHER)
    assert (car.model, car.hardware, car.market) == ("model_3_lr", "mcu2", "CA")
    assert Subject.objects.get(id=car.id).version == 2
    assert Subject.objects.get(id=other.id).version == 1
    assert Change.objects.filter(subject_id=car.id).count() == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"public_key": OTHER_KEY}, "public_key: this car is known with another key"),
        ({"delivered_on": "2026-11-02"}, "delivered on 2026-11-01"),
        ({"connectivity": "lifetime"}, "known without lifetime Premium"),
    ],
)
def test_a_line_that_contradicts_a_known_car_is_bad(bring_in, changes: dict, reason: str) -> None:
    bring_in(lines(line()))
    before = everything()
    status, out, _ = bring_in(lines(line(model="other", **changes)))
    assert status == 1
    assert "Line 2: " in out
    assert reason in out
    assert everything() == before


def test_an_empty_date_takes_no_delivery_back(bring_in) -> None:
    bring_in(lines(line()))
    status, out, _ = bring_in(lines(line(delivered_on="")))
    assert status == 0
    assert "as they were: 1" in out
    assert Vehicle.objects.get().delivered_on == date(2026, 11, 1)


def test_a_removed_car_does_not_come_back(bring_in, now) -> None:
    bring_in(lines(line()))
    Vehicle.objects.update(removed_at=now)
    status, out, _ = bring_in(lines(line()))
    assert status == 1
    assert "was removed from the fleet" in out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vin": ""}, "vin: A VIN has 17 characters; this one has 0"),
        ({"vin": VIN[:-1]}, "this one has 16"),
        ({"vin": "5YJ3E1EAOKF000316"}, "letter O"),
        ({"vin": "5YJ3E1EA1KF000316"}, "check digit"),
        ({"vin": "0" * 17}, "placeholder"),
        ({"model": "Model 3"}, "model: 'Model 3' is not a code"),
        ({"model": ""}, "model: '' is not a code"),
        ({"model": "m" * 33}, "at most 32"),
        ({"hardware": "mcu4"}, "hardware: 'mcu4' is none of mcu1, mcu2, mcu3, none"),
        ({"market": "us"}, "market: 'us' is not an ISO 3166-1"),
        ({"market": "XK"}, "market: 'XK'"),
        ({"market": "USA"}, "market: 'USA'"),
        ({"delivered_on": "01/11/2026"}, "delivered_on: '01/11/2026' is not a date"),
        ({"delivered_on": "2026-02-29"}, "delivered_on: '2026-02-29'"),
        ({"delivered_on": "20261101"}, "delivered_on: '20261101'"),
        ({"delivered_on": "0026-11-01"}, "delivered_on: '0026-11-01'"),
        ({"delivered_on": "9999-12-31"}, "delivered_on: '9999-12-31'"),
        ({"public_key": KEY[:-1]}, "public_key: A public key is 32 bytes"),
        ({"public_key": KEY + "="}, "this has 44 characters"),
        ({"public_key": KEY[:-1] + "B"}, "its last character is a mistype"),
        ({"public_key": "+" + KEY[1:]}, "letters, digits, - or _"),
        ({"public_key": "A" * 43}, "placeholder under which anybody can sign"),
        (
            {"connectivity": "premium"},
            "connectivity: 'premium' is none of standard, trial, lifetime",
        ),
        ({"connectivity": "trial,extra"}, "has 8 values; the header names 7"),
        ({"model": "x" * 200_000}, "more than 4095 characters"),
        ({"model": '"model_3'}, "quotes of this line do not match"),
        ({"model": "model\x00"}, r"'model\x00'"),
    ],
)
def test_each_kind_of_bad_line_is_named_and_the_rest_goes_in(
    bring_in, changes: dict, reason: str
) -> None:
    good = line(vin=OTHER, public_key=OTHER_KEY)
    status, out, err = bring_in(lines(line(**changes), good))
    assert status == 1
    assert "Line 2: " in out
    assert reason in out
    assert reason in err
    assert [car.vin for car in Vehicle.objects.all()] == [OTHER]
    assert "Bad lines: 1." in out


def test_the_second_line_for_a_vin_is_bad_and_the_first_goes_in(bring_in) -> None:
    status, out, _ = bring_in(
        lines(line(), line(vin=OTHER, public_key=OTHER_KEY), line(vin=VIN.lower(), model="other"))
    )
    assert status == 1
    assert "Line 4: vin: line 2 has the same VIN already." in out
    assert Vehicle.objects.get(vin=VIN).model == "model_3"


@pytest.mark.parametrize("files", [1, 2], ids=["in one file", "known already"])
def test_a_key_is_one_cars_alone(bring_in, files: int) -> None:
    second = line(vin=OTHER)
    if files == 2:
        bring_in(lines(line()))
        second = line(vin=OTHER, market="CA")
    content = lines(line(), second) if files == 1 else lines(second)
    status, out, _ = bring_in(content)
    assert status == 1
    assert f"Line {len(content.splitlines())}: public_key: another car has this key." in out
    assert VIN not in out
    assert [car.vin for car in Vehicle.objects.all()] == [VIN]


def test_a_wrong_check_digit_in_europe_goes_in_and_is_mentioned(bring_in) -> None:
    status, out, _ = bring_in(lines(line(vin="WVWZZZ1JZ3W000001", market="DE")))
    assert status == 0
    assert "the check digit does not fit, and need not. Lines: 1 (2)." in out
    assert Vehicle.objects.filter(vin="WVWZZZ1JZ3W000001").exists()


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + lines(line(), line(vin=OTHER, public_key=OTHER_KEY)),
        lines(line(), line(vin=OTHER, public_key=OTHER_KEY)).replace("\n", "\r\n"),
        lines(line(), line(vin=OTHER, public_key=OTHER_KEY)).replace("\n", "\r"),
        lines(line(), line(vin=OTHER, public_key=OTHER_KEY)).rstrip("\n"),
        lines("", line(), "  ", ",,,,,,", line(vin=OTHER, public_key=OTHER_KEY), ""),
        lines(
            '"' + line().replace(",", '", "') + '"',
            line(vin=" 5yj3-e1ea-xkf0 00002 ", public_key=OTHER_KEY),
        ),
        HEADER.upper().replace(",", " , ")
        + "\n"
        + line()
        + "\n"
        + line(vin=OTHER, public_key=OTHER_KEY),
    ],
    ids=["bom", "crlf", "cr", "no last break", "blank lines", "quoted", "header"],
)
def test_what_spreadsheets_do_to_a_file_does_not_matter(bring_in, content: str) -> None:
    status, out, _ = bring_in(content)
    assert (status, Vehicle.objects.count()) == (0, 2), out


def test_columns_may_stand_in_another_order_among_others(bring_in) -> None:
    names, values = HEADER.split(","), line().split(",")
    content = ",".join([*reversed(names), "colour"]) + "\n" + ",".join([*reversed(values), "red"])
    assert bring_in(content)[0] == 0
    assert Vehicle.objects.get().market == "US"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "missing: vin, model"),
        ("\n", "missing: vin, model"),
        (line(), "missing: vin, model"),
        (HEADER.replace("public_key,", ""), "missing: public_key."),
        (HEADER.replace(",", ";"), "separated by commas"),
        (HEADER + ",vin", "there twice: vin"),
        ('"' + HEADER, "quotes of this line"),
        (lines(line()).encode("utf-16"), "The file is UTF-16. Save it as CSV in UTF-8."),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "missing: vin"),
    ],
)
def test_a_wrong_file_is_refused_as_a_whole(bring_in, content: str | bytes, reason: str) -> None:
    status, _, err = bring_in(content)
    assert status == 2
    assert reason in err
    assert not Vehicle.objects.exists()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path, reason in [(tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(CommandError, match=reason) as caught:
            call_command("import_vehicles", str(path))
        assert caught.value.returncode == 2


def test_a_line_in_another_encoding_spoils_only_itself(bring_in) -> None:
    latin = line(model="citroën").encode("latin-1")
    content = lines().encode() + latin + b"\n" + line(vin=OTHER, public_key=OTHER_KEY).encode()
    status, out, _ = bring_in(content)
    assert status == 1
    assert "Line 2: The line is not UTF-8 text." in out
    assert Vehicle.objects.get().vin == OTHER


def test_an_unclosed_quote_spoils_only_its_own_line(bring_in) -> None:
    _, out, _ = bring_in(lines('"' + line(), line(vin=OTHER, public_key=OTHER_KEY)))
    assert "Line 2: The quotes" in out
    assert Vehicle.objects.get().vin == OTHER


def test_there_are_249_markets() -> None:
    assert len(MARKETS) == 249
    assert {"US", "DE", "GB", "CN", "TW"} <= MARKETS


def test_a_large_file_in_batches_names_exactly_the_bad_lines(bring_in, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    made = vehicles_csv.write(path, 6_000, bad_share=0.02)
    content = path.read_bytes()
    status, out, err = bring_in(content)
    named = {int(text.split(":")[0][5:]) for text in out.splitlines() if text.startswith("Line ")}
    assert status == 1
    assert named == set(made.bad)
    assert len(made.bad) > 100
    assert all(f"Line {number}: " in err for number in made.bad)
    assert Vehicle.objects.count() == Subject.objects.count() == 6_000 - len(made.bad)
    before = everything()
    status, out, _ = bring_in(content)
    assert "Cars added: 0, changed: 0" in out
    assert everything() == before


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_terminal_sees_one_moving_line_and_the_list_once(tmp_path: Path) -> None:
    path = tmp_path / "cars.csv"
    made = vehicles_csv.write(path, 4_500, bad_share=0.01)
    out, err = Terminal(), Terminal()
    with pytest.raises(CommandError, match="Bad lines"):
        call_command("import_vehicles", str(path), stdout=out, stderr=err)
    moving = out.getvalue().split("\r")
    assert [text.split(" lines")[0].split()[-1] for text in moving[1:4]] == [
        "2,000",
        "4,000",
        "4,500",
    ]
    assert moving[3].startswith("100%")
    assert "\n" not in "".join(moving[:4])
    assert out.getvalue().count("Line ") == len(made.bad)
    assert "Line " not in err.getvalue()


class Stopped(Exception):
    """The import was stopped from outside."""


@pytest.mark.django_db(transaction=True)
def test_a_stop_in_the_middle_keeps_whole_batches_and_the_next_run_goes_on(
    tmp_path: Path, now: datetime
) -> None:
    path = tmp_path / "cars.csv"
    vehicles_csv.write(path, 4_500)

    def stop(outcome: imports.Outcome) -> None:
        if outcome.lines >= 4_000:
            raise Stopped

    with path.open() as file, pytest.raises(Stopped):
        imports.import_vehicles(file, now=now, progress=stop)
    assert Vehicle.objects.count() == Subject.objects.count() == 4_000
    with path.open() as file:
        outcome = imports.import_vehicles(file, now=now, progress=lambda _: None)
    assert (outcome.added, outcome.unchanged, outcome.bad) == (500, 4_000, [])
