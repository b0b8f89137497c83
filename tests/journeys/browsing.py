"""A browser for people who read a page, follow its links and press its buttons, ours or Stripe's.

It knows a link and a button by the words on it, and sends what the page's form holds: an act
fails if the page does not offer it.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from django.core import mail

from tests.factories import Car
from tests.journeys.people import Person, page

OURS = "http://testserver"


def card(number: str) -> dict[str, str]:
    """What somebody types into a card form of Stripe's."""
    return {
        "cardNumber": number,
        "cardExpiry": "12 / 49",
        "cardCvc": "123",
        "billingName": "Card Holder",
    }


@dataclass
class _Form:
    """A form of a page: where it goes, what it holds, and its buttons by their words."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Reads a page as people do: its words, its links and its forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words = ""
        self.links: dict[str, str] = {}
        self.forms: list[_Form] = []
        self._opened: list[tuple[str, dict[str, str], int]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form and its fields, and where a link or a button begins."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(given.get("method", "get"), given.get("action", "")))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag in ("a", "button"):
            self._opened.append((tag, given, len(self.words)))
        elif tag in ("p", "h1", "h2", "dt", "dd", "li", "tr", "td", "br", "title"):
            self.words += " "

    def handle_endtag(self, tag: str) -> None:
        """The words of a link or a button are complete."""
        if tag not in ("a", "button") or not self._opened:
            return
        _, given, begins = self._opened.pop()
        label = _plain(self.words[begins:])
        if tag == "a":
            # The foot of each page repeats some words; what stands on the page itself comes first.
            self.links.setdefault(label, given.get("href", ""))
        elif self.forms:
            self.forms[-1].buttons[label] = (given.get("name", ""), given.get("value", ""))

    def handle_data(self, data: str) -> None:
        """Words."""
        self.words += data


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


class Visit:
    """A page as somebody sees it; what they do on it leads to the next."""

    def __init__(self, person: Person, url: str, html: str) -> None:
        self.url, self.html = url, html
        self._person = person
        self._read = _Reader(html)
        self.text = _plain(self._read.words)

    def follows(self, label: str) -> "Visit":
        """Follow a link."""
        assert label in self._read.links, f"There is no link {label!r} on {self.url}: {self.text}"
        return _open(self._person, urljoin(self.url, self._read.links[label]))

    def presses(self, label: str, **typed: str) -> "Visit":
        """Press a button, once its form is filled in."""
        form = next((form for form in self._read.forms if label in form.buttons), None)
        assert form is not None, f"There is no button {label!r} on {self.url}: {self.text}"
        missing = typed.keys() - form.fields.keys()
        assert not missing, f"There is no field {missing} beside {label!r} on {self.url}."
        name, value = form.buttons[label]
        sent = form.fields | typed | ({name: value} if name else {})
        return _open(self._person, urljoin(self.url, form.action), sent)


def opens(person: Person, url: str) -> Visit:
    """Go to an address."""
    return _open(person, urljoin(OURS, url))


def sees_car(person: Person, car: Car) -> Visit:
    """Go to a car's page."""
    return opens(person, page(car))


def updates_card(person: Person, car: Car, number: str) -> Visit:
    """Go from the car's page to Stripe's, and have another card pay from now on."""
    shown = sees_car(person, car)
    label = "Update card" if "Update card" in shown.text else "Card and payments"
    return shown.presses(label).presses("Save card", **card(number))


def letter(person: Person) -> str:
    """The last mail that somebody got: its subject and its words."""
    mine = [each for each in mail.outbox if person.user.email in each.to]
    assert mine, f"{person} got no mail."
    return f"{mine[-1].subject}\n{mine[-1].body}"


def link_in(text: str, part: str) -> str:
    """The address in a mail that has this part."""
    found = re.search(rf"https?://\S*{part}\S*", text)
    assert found, f"There is no link with {part} in: {text}"
    return found[0]


def _open(person: Person, url: str, form: dict[str, str] | None = None) -> Visit:
    """Go there, and on to where that leads; what Stripe tells us comes before we are back."""
    answer = _ask(person, url, form)
    while answer.status_code in (302, 303):
        url = urljoin(url, answer.headers["Location"])
        answer = _ask(person, url, None)
    assert answer.status_code == 200, f"{url} answers {answer.status_code}"
    person.world.settle()
    text = answer.content if url.startswith(OURS) else answer.get_data()
    return Visit(person, url, text.decode())


def _ask(person: Person, url: str, form: dict[str, str] | None) -> Any:
    if not url.startswith(OURS):
        answer = person.world.visit(url, form)
        person.world.settle()
        return answer
    if form is None:
        return person.browser.get(url)
    return person.browser.post(url, form)
