"""The words of the mails that django-allauth sends; when it does is its business."""

from typing import Any

from django.template import Context
from django.template.loader import get_template

from connectivity.notices import letters


def words(prefix: str, context: dict[str, Any]) -> tuple[str, str]:
    """Return the subject and the text of a mail, in the language that is switched on."""
    subject, text = (_rendered(f"{prefix}_{part}.txt", context) for part in ("subject", "message"))
    return " ".join(subject.split()), letters.tidy(text)


def _rendered(name: str, context: dict[str, Any]) -> str:
    """Plain text: an address with an ampersand in it is to stay one."""
    found: Any = get_template(name)
    rendered: str = found.template.render(Context(context, autoescape=False))
    return rendered
