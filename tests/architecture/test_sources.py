"""What every source file keeps to, beyond what the linter and the import contracts see."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("billing", "connectivity", "fleet")
LONGEST_FILE, LONGEST_TEST, LONGEST_FUNCTION = 300, 500, 40
LAYERS = {"services", "utils", "helpers", "managers", "common", "misc"}
# The supervisor makes the environment of the others, and three files say which settings are read.
READS_ENVIRONMENT = (
    "connectivity/settings/",
    "connectivity/local/",
    "sandbox/",
    "tests/",
    "bench/",
)
NAMES_SETTINGS = {"connectivity/celery.py", "connectivity/edge.py", "connectivity/wsgi.py"}
# Taken over as they are.
NOT_OURS = {"tests/contract/stripe_contract.py"}


@cache
def tracked(*patterns: str) -> tuple[str, ...]:
    """The files under version control, and those that are about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in found.stdout.splitlines() if (ROOT / name).is_file())


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text()


def sources() -> list[str]:
    """Python that people write."""
    found = [name for name in tracked("*.py") if "/migrations/" not in name]
    assert len(found) > 150
    return sorted(set(found) - NOT_OURS)


def product() -> list[str]:
    return [name for name in sources() if name.startswith(PRODUCT)]


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(text(name))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_are_short() -> None:
    limits = {
        name: LONGEST_TEST if name.startswith("tests/") else LONGEST_FILE for name in sources()
    }
    long = {name: count for name in sources() if (count := text(name).count("\n")) > limits[name]}
    assert not long


def test_functions_are_short() -> None:
    long = {
        f"{name}:{node.name}": lines
        for name in sources()
        if not name.startswith("tests/")
        for node in functions(name)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long


def test_the_sizes_in_the_middle_are_those_of_good_code() -> None:
    """House rules: half of the files have at most 100 lines, half of the functions at most 8."""
    files = sorted(text(name).count("\n") for name in product())
    lines = sorted(
        (node.end_lineno or 0) - node.lineno + 1 for name in product() for node in functions(name)
    )
    assert files[len(files) // 2] <= 100
    assert lines[len(lines) // 2] <= 8
    assert lines[len(lines) * 9 // 10] <= 25


def test_no_module_is_named_after_a_layer() -> None:
    named = [name for name in sources() if {*Path(name).with_suffix("").parts} & LAYERS]
    assert not named


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name in sources() if text(name).strip() and not docstring(name)]
    assert not silent


def docstring(name: str) -> str:
    return ast.get_docstring(ast.parse(text(name))) or ""


def test_public_functions_of_the_product_say_what_they_mean() -> None:
    silent = [
        f"{name}:{node.name}"
        for name in product()
        if "/management/" not in name and "/settings/" not in name
        for node in ast.parse(text(name)).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not silent


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX", "HACK"])
def test_nothing_is_left_for_later(word: str) -> None:
    left = [
        name
        for name in tracked("*.py", "*.html", "*.md", "*.css", "*.js", "*.sh", "Makefile")
        if name != "tests/architecture/test_sources.py" and re.search(rf"\b{word}\b", text(name))
    ]
    assert not left


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name in sources()
        if not name.startswith(READS_ENVIRONMENT)
        if re.search(r"\bos\.(environ|getenv)|from os import", text(name))
    }
    assert readers <= NAMES_SETTINGS | {"manage.py"}
    for name in readers:
        found = re.findall(r"os\.environ\S*", text(name))
        assert found == ['os.environ.setdefault("DJANGO_SETTINGS_MODULE",'], name


def test_only_one_module_reads_the_time() -> None:
    """The linter bans the calls; here it is that nobody but the clock is excused."""
    excused = [
        name
        for name in product()
        if not name.startswith("connectivity/local/") and "noqa: TID251" in text(name)
    ]
    assert excused == ["billing/clock.py"]


def test_no_import_hides_from_the_contracts() -> None:
    """An import that only type checkers see, or one within a function, can hide a cycle."""
    hiding = [name for name in product() if re.search(r"\bTYPE_CHECKING\b", text(name))]
    within = [
        f"{name}:{node.name}"
        for name in product()
        if not name.endswith("/apps.py")
        for node in functions(name)
        if any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node))
    ]
    assert hiding == within == []


def test_what_the_linter_is_told_to_pass_over_has_its_reason() -> None:
    """Beside it, or beside the first of the same kind in the same file."""
    bare = []
    for name in sources():
        explained: set[str] = set()
        for line in text(name).splitlines():
            for codes, rest in re.findall(r"#\s*noqa: ([A-Z0-9, ]+)(.*)", line):
                kinds = {code.strip() for code in codes.split(",")}
                explained |= kinds if re.search(r"-+ \w", rest) else set()
                bare += [f"{name}: {code}" for code in kinds - explained]
    assert not bare


def test_no_linting_is_switched_off_for_whole_files_without_a_rule_and_a_reason() -> None:
    switched = [
        name
        for name in sources()
        if re.search(
            r"^\s*#\s*(?:ruff|flake8): (?!noqa: [A-Z0-9, ]+ -- \w)", text(name), re.MULTILINE
        )
    ]
    assert not switched


def test_the_product_is_not_excused_from_what_protects_it() -> None:
    """Exceptions per file are for tests, the world outside, and the two places that need them."""
    lint = tomllib.loads(text("pyproject.toml"))["tool"]["ruff"]["lint"]
    excused = {
        pattern: set(codes)
        for pattern, codes in lint["per-file-ignores"].items()
        if not pattern.startswith(("tests/", "sandbox/", "bench/"))
    }
    assert excused == {
        "connectivity/local/**": {"T20", "TID251"},
        "**/management/**": {"INP001"},
        "**/apps.py": {"PLC0415"},
    }
    assert {"PLC", "BLE", "S", "DTZ", "TID", "ERA", "T20"} <= set(lint["select"])


def test_the_lock_file_knows_the_public_index_only() -> None:
    found = set(re.findall(r"https?://[^/\"]+", text("uv.lock")))
    assert found == {"https://pypi.org", "https://files.pythonhosted.org"}
