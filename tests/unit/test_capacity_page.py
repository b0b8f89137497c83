"""The page that tells what was measured: its arithmetic, its picture, the place it is put into."""

from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import page, plan
from bench.figures import Figures
from bench.load import Shot

BASIS = plan.Basis(edge=90, valkey=10, stored=100, recorded=1_000, rebuilt=60)


def test_plan_shows_the_arithmetic_it_does():
    rows = [line.split("|")[1:-1] for line in plan.lines(BASIS)]
    told = {name.strip(" *"): [each.strip() for each in rest] for name, *rest in rows}

    assert told["checks a second"][1:] == ["16,667", "66,667", "333,333"]
    assert told["cores for edges"] == ["x 90 µs / 0.6", "3", "10", "50"]
    assert told["cores for Valkey"][1:] == ["1", "2", "6"]
    assert told["data in Valkey"][1:] == ["0.5 GB", "2.0 GB", "10.0 GB"]
    assert told["memory for a site's Valkey"][1:] == ["1.5 GB", "6.0 GB", "30.0 GB"]
    assert told["primaries, in a cluster if more than one"][1:] == ["1", "2", "6"]
    assert told["data in PostgreSQL, and again on each replica"][1:] == [
        "5.0 GB",
        "20.0 GB",
        "100.0 GB",
    ]
    assert told["minutes to fill an emptied site from a replica"][1:] == ["5", "20", "100"]


def test_longest_bar_is_the_fastest_and_labels_cannot_break_the_picture():
    drawn = page.drawn([("a & <b>", "noop", 40_000.0), ("the check", "304", 20_000.0)])

    root = ET.fromstring(drawn)  # noqa: S314 -- our own words
    bars = [each for each in root if each.tag.endswith("rect")]
    widths = [int(bar.attrib["width"]) for bar in bars]
    assert widths[0] == 2 * widths[1]
    assert [bar.attrib["class"] for bar in bars] == ["bar", "bar ours"]
    texts = [each.text for each in root if each.tag.endswith("text")]
    assert texts == ["a & <b>", "40,000", "the check", "20,000"]


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    file = tmp_path / "capacity.md"
    file.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")

    page.renew(tmp_path, ["new"], _figures())

    assert file.read_text() == f"before\n{page.BEGIN}\n\nnew\n\n{page.END}\nafter\n"


def test_page_without_a_place_is_left_as_it_is(tmp_path: Path):
    file = tmp_path / "capacity.md"
    file.write_text("no marks")

    with pytest.raises(RuntimeError, match="no place"):
        page.renew(tmp_path, ["new"], _figures())
    assert file.read_text() == "no marks"


def _figures() -> Figures:
    shot = Shot(
        rate=1.0, requests=1, refused=0, broken=0, p50=1.0, p99=1.0, effort=1.0, kept=0.0, asked=0.0
    )
    contest = defaultdict(list, {"304": [shot]})
    return Figures(1, labels={"304": "**the check, 304**"}, contest=contest)
