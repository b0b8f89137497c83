"""Writes a PDF of one A4 page by hand: lines of text on the left, amounts on the right."""

from collections.abc import Sequence

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 56
# The widths of Helvetica's characters in thousandths; digits and signs of amounts suffice.
_WIDE = {".": 278, ",": 278, " ": 278, "\u00a0": 278, "-": 333, "−": 584, "A": 667, "C": 722}
_BANNER = "Sandbox – no real payment"


def document(rows: Sequence[tuple[str, str]]) -> bytes:
    """A PDF with one row per line, all on its one page however many there are."""
    lines = [(_BANNER, ""), ("", ""), *rows]
    leading = min(20.0, (_HEIGHT - 2 * _MARGIN) / len(lines))
    size = min(11.0, leading * 0.7)
    content = b"\n".join(
        _row(left, right, size, _HEIGHT - _MARGIN - number * leading)
        for number, (left, right) in enumerate(lines)
    )
    return _file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>" % (_WIDTH, _HEIGHT),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        ]
    )


def _row(left: str, right: str, size: float, y: float) -> bytes:
    texts = [_text(left, size, _MARGIN, y)] if left else []
    if right:
        width = sum(_WIDE.get(sign, 556) for sign in right) * size / 1000
        texts.append(_text(right, size, _WIDTH - _MARGIN - width, y))
    return b"\n".join(texts)


def _text(words: str, size: float, x: float, y: float) -> bytes:
    # WinAnsiEncoding has no minus sign of its own.
    encoded = words.replace("−", "-").encode("cp1252", "replace")
    for special in (b"\\", b"(", b")"):
        encoded = encoded.replace(special, b"\\" + special)
    return b"BT /F1 %.1f Tf %.1f %.1f Td (%b) Tj ET" % (size, x, y, encoded)


def _file(objects: Sequence[bytes]) -> bytes:
    """The objects, numbered from 1, with the table that says where each begins."""
    made, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table, len(objects) + 1, len(made))
    )
