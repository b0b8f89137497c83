"""docs/operations.md: names each variable that is read, and none that is not."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
ENVIRONMENT = ROOT / "connectivity" / "settings" / "environment.py"
# What is read by `make run`, the sandbox and the tests, beside what the product reads.
OTHERS = (
    "connectivity/local/environment.py",
    "connectivity/local/binaries.py",
    "sandbox/config.py",
    "sandbox/car/config.py",
    "tests/chromium.py",
)
# `env.str("NAME", …)`, `os.environ.get("NAME")`, `"NAME" not in os.environ`.
PRODUCT = r"\benv\.\w+\(\s*\"([A-Z_]+)\"|environ\.get\(\"([A-Z_]+)\"|\"([A-Z_]+)\" (?:not )?in os"
# `environ.get("NAME")`, `given["NAME"]`, `_port(environ, "NAME", …)`.
OUTSIDE = r"\b(?:environ|given)(?:\.get\(|\[|, )\"([A-Z_]+)\""


def named(pattern: str, text: str) -> set[str]:
    """What any group of the pattern catches, wherever it matches."""
    return {name for match in re.finditer(pattern, text) for name in match.groups() if name}


def tables() -> list[set[str]]:
    """The first column of each table of the page that is about variables."""
    found = re.split(r"^\| variable .*$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return [set(_rows(text)) for text in found]


def _rows(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        if not line.startswith("|"):
            return
        yield from re.findall(r"^\| `([A-Z_]+)` \|", line)


def test_the_first_table_holds_what_the_product_reads() -> None:
    read = named(PRODUCT, ENVIRONMENT.read_text())
    assert {"DEBUG", "SECRET_KEY", "SITES", "EMAIL_URL", "APP_DATA_DIR"} <= read
    assert tables()[0] == read


def test_the_second_table_holds_what_is_read_beside_it() -> None:
    read = set().union(*(named(OUTSIDE, (ROOT / name).read_text()) for name in OTHERS))
    assert {"SANDBOX_PORT", "PG_BIN", "EDGE_URL"} <= read
    assert tables()[1] == read - tables()[0]


def test_each_variable_says_what_it_means() -> None:
    rows = re.findall(r"^\| `[A-Z_]+` \|(.*)\|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len(tables()[0]) + len(tables()[1])
    assert all(default.strip() and meaning.strip() for default, meaning in rows)
