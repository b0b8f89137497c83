"""A mail as it is sent: a text, and the same words as HTML; knows nothing of what they say.

# Note [The text is the mail]
The HTML is made from the text and from nothing else, so the two cannot drift apart. A paragraph is
what stands between empty lines. An address becomes a link that is named by the words before its
colon. A line that is indented by four spaces is a code to type in. One after two hash marks is a
heading.
"""

import re
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

BRAND = "Premium Connectivity"
_GAP = re.compile(r"\n\s*\n")
_CODE = re.compile(r"^ {4}\S")
_HEADING = "## "
# The words before a link are its name: those of its own sentence, up to the colon.
_LINK = re.compile(r"(?:(?P<name>(?!\s)(?:[^.?!\n]|[.?!](?!\s))+):\s+)?(?P<url>https?://\S+)")


@dataclass(frozen=True, slots=True)
class Part:
    """Words as they are, or as the name of a link."""

    words: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What stands together; a code stands alone, and so does a heading, and so may a link."""

    parts: tuple[Part, ...]
    is_code: bool = False
    is_heading: bool = False

    @property
    def is_link(self) -> bool:
        """Whether there is nothing but a link, so that it may look like a button."""
        return len(self.parts) == 1 and bool(self.parts[0].url)


def letter(subject: str, text: str, *, to: str) -> EmailMultiAlternatives:
    """Return the mail, in the language that is switched on."""
    mail = EmailMultiAlternatives(subject, f"{text}\n\n{_signature()}\n", to=[to])
    mail.attach_alternative(html(subject, text), "text/html")
    return mail


def _signature() -> str:
    """Who writes, and where an answer is read: a mail may say “write to support”."""
    return f"-- \n{BRAND}\n{settings.SUPPORT_EMAIL}"


def tidy(text: str) -> str:
    """Return a rendered text without the gaps that unsaid sentences leave."""
    return _GAP.sub("\n\n", text.strip("\n").rstrip())


def html(subject: str, text: str) -> str:
    """Return the text as HTML, in the one layout that there is."""
    paragraphs = [_paragraph(each) for each in _GAP.split(text)]
    context = {"subject": subject, "paragraphs": paragraphs, "support": settings.SUPPORT_EMAIL}
    return render_to_string("notices/letter.html", context)


def _paragraph(text: str) -> Paragraph:
    if _CODE.match(text):
        return Paragraph((Part(text.strip()),), is_code=True)
    if text.startswith(_HEADING):
        return Paragraph((Part(text.removeprefix(_HEADING)),), is_heading=True)
    parts, rest = [], 0
    for link in _LINK.finditer(text):
        parts.append(Part(text[rest : link.start()]))
        parts.append(Part((link["name"] or link["url"]).strip(), link["url"]))
        rest = link.end()
    parts.append(Part(text[rest:]))
    return Paragraph(tuple(part for part in parts if part.words.strip(" ")))
