"""The mailbox: SMTP in, JSON and a page out."""

import email.message
import smtplib
from typing import Any

import pytest
import requests

from tests.sandbox_server import SandboxServer, running_sandbox


def send(server: SandboxServer, *, to: list[str], subject: str, text: str, html: str = "") -> None:
    message = email.message.EmailMessage()
    message["From"] = "hello@premium.test"
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=10) as smtp:
        smtp.send_message(message)


def mails(server: SandboxServer, query: str = "") -> Any:
    return requests.get(f"{server.url}/mail.json{query}", timeout=10).json()


def test_mails_are_listed_newest_first(unrecorded: SandboxServer):
    assert mails(unrecorded) == []
    send(unrecorded, to=["a@demo.test"], subject=" First ", text="one")
    send(unrecorded, to=["b@demo.test", "A@Demo.test"], subject="Zweite für Änne", text="schön ✓")
    send(unrecorded, to=["c@demo.test"], subject="Third", text="plain", html="<b>rich</b>")
    listed = mails(unrecorded)
    assert [set(mail) for mail in listed] == [{"to", "subject", "text", "at"}] * 3
    assert [mail["subject"] for mail in listed] == ["Third", "Zweite für Änne", "First"]
    assert listed[1]["to"] == ["b@demo.test", "A@Demo.test"]
    assert listed[1]["text"].strip() == "schön ✓"
    assert listed[0]["text"].strip() == "plain"
    assert listed[0]["at"].endswith("Z")
    assert listed[0]["at"] >= listed[2]["at"]
    addressed = mails(unrecorded, "?to=a@demo.test")
    assert [mail["subject"] for mail in addressed] == ["Zweite für Änne", "First"]


def test_the_page_shows_the_code_and_hides_nothing_dangerous(unrecorded: SandboxServer):
    send(
        unrecorded,
        to=["owner@demo.test"],
        subject="<script>alert(1)</script>",
        text="Your code:\n\nCBM4-2JT\n\nhttp://localhost:8000/garage/",
    )
    page = requests.get(f"{unrecorded.url}/mail/", timeout=10)
    assert ">CBM4-2JT</span>" in page.text
    assert 'href="http://localhost:8000/garage/"' in page.text
    assert "<script>alert" not in page.text
    assert "no real payment" in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    empty = requests.get(f"{unrecorded.url}/mail/?to=nobody@demo.test", timeout=10).text
    assert "No mail yet" in empty


def test_mail_without_text_or_with_a_wrong_charset_is_kept(unrecorded: SandboxServer):
    for content in (
        b"Subject: Empty\r\n\r\n",
        b"Subject: Odd\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nh\xc3\xa9\r\n",
        b"Subject: Html\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n",
    ):
        with smtplib.SMTP("127.0.0.1", unrecorded.smtp_port, timeout=10) as smtp:
            smtp.sendmail("x@demo.test", ["y@demo.test"], content)
    listed = {mail["subject"]: mail["text"].strip() for mail in mails(unrecorded)}
    assert listed == {"Empty": "", "Odd": "hé", "Html": "<p>Hi</p>"}


def test_a_huge_mail_is_refused(unrecorded: SandboxServer):
    with (
        smtplib.SMTP("127.0.0.1", unrecorded.smtp_port, timeout=10) as smtp,
        pytest.raises(smtplib.SMTPException),
    ):
        smtp.sendmail("x@demo.test", ["y@demo.test"], b"Subject: Big\r\n\r\n" + b"x" * 1_100_000)
    assert mails(unrecorded) == []


def test_mail_survives_a_restart(tmp_path):
    for _ in range(2):
        with running_sandbox(tmp_path / "kept", clock_file=tmp_path / "clock") as server:
            send(server, to=["a@demo.test"], subject="Kept", text="here")
            listed = mails(server)
    assert len(listed) == 2
