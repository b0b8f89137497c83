"""docs/api.md: its blocks, pasted into one shell against a running system, do what it says."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import ROOT, Run

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]
PAGE = ROOT / "docs" / "api.md"


def pasted(system: Run, folder: Path, extra: str = "") -> str:
    """What a shell says to all of the page's blocks, from top to bottom."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    environ = system.environ | {"EDGE": system.url("EDGE_PORT", ""), "CAR": str(folder)}
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", "\n".join([*blocks, extra])],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="No curl: install it (apt-get install curl).")
def test_a_car_programmed_by_the_page(system: Run, tmp_path: Path) -> None:
    missing = 'echo; curl --silent "$EDGE/vehicle/v1/nothing"'
    said = pasted(system, tmp_path, missing)

    document = json.loads((tmp_path / "document.json").read_text())
    assert document["plan"] == "premium"
    assert document["reason"] == "factory"
    assert re.search(r'"user_code":"[A-Z]{4}-[A-Z]{4}"', said)
    assert re.search(r"^304$", said, re.MULTILINE)
    assert re.search(r"^204$", said, re.MULTILINE)
    assert f"{sorted(document['features'])}" in said
    problems = re.findall(r'"type": ?"urn:premium-connectivity:problem:([a-z-]+)"', said)
    assert problems == ["token-invalid", "not-found"]


def test_the_page_names_every_code_that_a_car_can_meet() -> None:
    page = PAGE.read_text()
    calls = (ROOT / "fleet" / "api").glob("*.py")
    text = "\n".join(file.read_text() for file in calls)
    codes = set(re.findall(r'\bcode="([a-z-]+)"', text))
    codes |= set(re.findall(r'\bdefault_code = "([a-z-]+)"', text))
    answers = r'\b(?:_?problem|_answer|_later)\((?:\w+\(\), |\d+, )?"([a-z-]+)"'
    codes |= set(re.findall(answers, text))
    codes |= {code.replace("_", "-") for code in re.findall(r'OAuthRefused\("(\w+)"', text)}
    assert {"behind", "not-now", "never-issued", "invalid-grant", "server-error"} <= codes
    assert {code for code in codes if f"`{code}`" not in page} == set()
