"""Puts what was measured into docs/capacity.md, and draws its picture."""

from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figures
from bench.load import middle

PAGE, PICTURE = "capacity.md", "pictures/check.svg"
BEGIN, END = "<!-- python -m bench check --into docs -->", "<!-- end of what is measured -->"
WIDTH, BAR, GAP, LABEL, ROOM = 760, 22, 12, 300, 110
# One ink for letters and one colour for bars in the light, and others in the dark.
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.bar { fill: #8c959f; } .ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .bar { fill: #6e7681; } .ours { fill: #58a6ff; }
}"""
OURS = ("304", "forgotten", "200")


def renew(folder: Path, lines: Sequence[str], figures: Figures) -> None:
    """Replace what stands between the marks, and the picture."""
    page = folder / PAGE
    before, begin, rest = page.read_text().partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise RuntimeError(f"{page} has no place for it: it needs the lines {BEGIN} and {END}")
    page.write_text("\n".join([before + begin, "", *lines, "", end + after]))
    # By work: where other programs want the cores too, rates flatter the slower ones.
    rates = [
        (_plain(figures.labels[name]), name, 1e6 / middle(shots, "effort"))
        for name, shots in figures.contest.items()
    ]
    (folder / PICTURE).write_text(drawn(rates))


def drawn(rates: Sequence[tuple[str, str, float]]) -> str:
    """Bars as an SVG that is legible on light and on dark."""
    most = max(rate for _, _, rate in rates)
    height = len(rates) * (BAR + GAP) + 2 * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        f' width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        '<title id="title">Answers for a second of processor time of all servers</title>',
        f"<style>{STYLE}</style>",
    ]
    for at, (label, name, rate) in enumerate(rates):
        top = GAP + at * (BAR + GAP)
        width = max(2, round((WIDTH - LABEL - ROOM) * rate / most))
        ours = " ours" if name in OURS else ""
        parts += [
            f'<text x="{LABEL - 10}" y="{top + 16}" text-anchor="end">{_short(label)}</text>',
            f'<rect class="bar{ours}" x="{LABEL}" y="{top}" width="{width}"',
            f' height="{BAR}" rx="3"/>',
            f'<text x="{LABEL + width + 8}" y="{top + 16}">{rate:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _short(label: str) -> str:
    """As much of it as there is room for beside a bar."""
    text = label.partition(" (")[0].replace("&", "&amp;").replace("<", "&lt;")
    return text.replace("an ASGI endpoint that does nothing", "a no-op ASGI endpoint").replace(
        "cars that the process has forgotten", "forgotten cars"
    )


def _plain(label: str) -> str:
    """A label without Markdown."""
    return label.replace("*", "").replace("`", "")
