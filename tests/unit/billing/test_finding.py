"""What a reconciliation says is what docs/operations.md explains."""

from pathlib import Path

from billing.reconcile.finding import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def test_each_finding_is_explained_in_the_words_of_the_command() -> None:
    text = PAGE.read_text()
    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.words} | {kind.to_do} |" in text
