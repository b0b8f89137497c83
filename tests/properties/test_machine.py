"""Any order of anything, a few hundred times; tests/nightly tries thousands."""

import os
import re
from pathlib import Path

import pytest

from tests.properties import promises, running
from tests.properties.tally import Tally

SEQUENCES = int(os.environ.get("SEQUENCES", "300"))
STEPS = int(os.environ.get("STEPS", "6"))  # what most of them need; tests/nightly takes 15
PARTS = 2  # so that two workers share them


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", range(PARTS))
def test_what_was_promised_is_what_the_car_is_told(
    part: int, transactional_db, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Owners, staff, Stripe, clock and network in any order lead where the policy says."""
    tally = Tally()
    done = running.run(tmp_path, part, SEQUENCES // PARTS, STEPS, tally)
    with capsys.disabled():
        print(f"\n{done}")  # noqa: T201 -- the seed and the pace are for the reader
    assert not tally.idle(), "These acts prove nothing, for they never change anything."


def test_the_model_of_the_policy_knows_nothing_of_the_product() -> None:
    """Or one mistake could be made twice."""
    source = Path(promises.__file__).read_text()
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE))
    assert imported == {"collections", "dataclasses", "datetime"}
    assert "__import__" not in source
