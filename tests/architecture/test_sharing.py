"""What takes long to start is started for one worker alone."""

import pytest

from tests.architecture.test_sources import text, tracked
from tests.sharing import Sharing, group


@pytest.mark.parametrize("marked", ["system", "edge"])
def test_a_group_is_all_files_that_are_marked_so(marked: str) -> None:
    mark = "mark.xdist_group" + f'("{marked}")'
    named = {name for name in tracked("tests/*.py") if mark in text(name)}
    files = {name for name in tracked("tests/*.py") if group(name) == marked}
    assert len(files) > 1
    assert files == named


def test_xdist_gives_a_group_to_one_worker_and_others_one_by_one() -> None:
    shares = object.__new__(Sharing)._split_scope  # It is made where there are workers.
    one, other = "tests/acceptance/test_journeys.py::test_x[1]", "tests/browser/test_main_job.py::y"
    assert shares(one) == shares(other) == "system"
    alone = "tests/unit/test_vin.py::test_x[a@b]"
    assert shares(alone) == alone
