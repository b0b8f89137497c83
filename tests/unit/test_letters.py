"""The HTML of a mail: the same words, links named by the words before them, codes by themselves."""

from django.conf import settings

from connectivity.notices import letters

TEXT = """Pay $10.00 in 3.5 days. Or pay now: https://pay.example/?a=1&b=2

How it stands: https://car.example/

Car: Model <3>
Received: Nov 22

    BCDF-GHJK"""


def test_the_html_has_the_words_of_the_text_and_no_others() -> None:
    page = letters.html("A & B", TEXT)
    body = page[page.index("<h1>") :]

    assert "<h1>A &amp; B</h1>" in body
    assert (
        '<p>Pay $10.00 in 3.5 days. <a href="https://pay.example/?a=1&amp;b=2">Or pay now</a></p>'
        in body
    )
    assert '<p class="button"><a href="https://car.example/">How it stands</a></p>' in body
    assert "<p>Car: Model &lt;3&gt;<br>Received: Nov 22</p>" in body
    assert '<p class="code">BCDF-GHJK</p>' in body
    assert body.count("<p") == 5  # With who writes.


def test_a_mail_brings_both_and_loads_nothing_from_elsewhere() -> None:
    mail = letters.letter("Subject", TEXT, to="owner@example.com")

    [(html, kind)] = mail.alternatives
    assert kind == "text/html"
    assert str(mail.body).startswith(TEXT)
    assert str(mail.body).endswith(f"\n\n-- \nPremium Connectivity\n{settings.SUPPORT_EMAIL}\n")
    assert not any(
        word in str(html) for word in ("<img", "src=", "url(", "@import", "<link", "<script")
    )


def test_what_a_text_leaves_unsaid_leaves_no_gap() -> None:
    assert letters.tidy("\n    CODE\n\n \n\nNext.\n\n") == "    CODE\n\nNext."
