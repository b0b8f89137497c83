"""The mails that are to be sent: written with what they tell of, sent once, tried until sent."""

import time
from datetime import datetime
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any

import structlog
from django.db import transaction
from django.template import Context
from django.template.loader import get_template
from django.utils import translation

from billing.backoff import next_try
from connectivity.notices import letters
from connectivity.notices.models import Notice

AT_MOST = 20  # seconds in one go: a mail server that hangs is not to take a worker for good
NOWHERE = "closed.invalid"  # Where closed accounts read: a domain that can never be (RFC 2606).
WAITS = (5, 30, 120, 600, 3600)  # seconds until the next try
log = structlog.get_logger()


def tell(
    *,
    source: str,
    event_id: int,
    template: str,
    recipient: str,
    user: Any,
    context: dict[str, Any],
    now: datetime,
    reads: str = "",
) -> None:
    """Write down that this address is to be told of this event, in the caller's transaction.

    Once per event, template and address; the words are `templates/notices/<template>.txt`, whose
    first line is the subject. `reads` is the language of whoever has no account that says so.
    Whoever closed their account is told nothing any more.
    """
    if recipient.endswith(f"@{NOWHERE}"):
        return
    Notice.objects.get_or_create(
        source=source,
        event_id=event_id,
        template=template,
        recipient=recipient,
        defaults={
            "user": user,
            "language": reads or language(user),
            "context": context,
            "created_at": now,
            "next_attempt_at": now,
        },
    )


def language(reader: Any) -> str:
    """Return the language in which a person reads their mails."""
    return getattr(reader, "language", "") or "en"


def send_due(*, limit: int = 50, now: datetime) -> int:
    """Send mails that wait, and return how many went out.

    Each is sent in a transaction of its own, so that a crash repeats one mail at the most.
    """
    sent, until = 0, time.monotonic() + AT_MOST
    for _ in range(limit):
        if time.monotonic() > until:
            break
        with transaction.atomic(durable=True):
            waiting = Notice.objects.select_for_update(skip_locked=True)
            notice = waiting.filter(sent_at=None, next_attempt_at__lte=now).order_by("id").first()
            if notice is None:
                break
            sent += _send(notice, now=now)
    return sent


def words(template: str, context: dict[str, Any]) -> tuple[str, str]:
    """Return the subject and the text of a mail, in the language that is switched on."""
    found: Any = get_template(f"notices/{template}.txt")
    # Plain text: an address with an ampersand in it is to stay one.
    text = found.template.render(Context(context, autoescape=False))
    subject, _, body = text.partition("\n")
    return subject.strip(), letters.tidy(body)


def _send(notice: Notice, *, now: datetime) -> bool:
    try:
        with translation.override(notice.language):
            subject, text = words(notice.template, notice.context)
            mail = letters.letter(subject, text, to=notice.recipient)
        mail.send()
    except Exception as error:  # noqa: BLE001 -- whatever is wrong with one mail, the others go out
        notice.error = _reason(error)
        notice.next_attempt_at = next_try(notice.attempts, now, WAITS)
        notice.attempts += 1
        log.warning("mail_not_sent", notice=notice.pk, error=notice.error)
    else:
        notice.sent_at, notice.error = now, ""
    notice.save()
    return notice.sent_at is not None


def _reason(error: Exception) -> str:
    """What went wrong, without the address that a mail server likes to quote."""
    if isinstance(error, SMTPRecipientsRefused):
        codes = sorted({str(code) for code, _ in error.recipients.values()})
        return f"SMTPRecipientsRefused: {', '.join(codes)}"
    if isinstance(error, SMTPResponseException):
        return f"{type(error).__name__}: {error.smtp_code}"
    return f"{type(error).__name__}: {error}"[:500]
