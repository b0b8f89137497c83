"""What a text in a search box may name: a person, something at Stripe, an entitled subject.

Each way to find is one short query on an index, and the results are united: one query with OR over
several tables would read all of them. It never knows what a subject is; fleet teaches it.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from billing.models import Checkout, Customer, StripeEvent, Subscription
from billing.staff.shown import NOTHING

MOST = 200  # hits that one way to find adds
SHORTEST = 3  # characters of a beginning
HELP = (
    "Whole VIN, its beginning or its last 6; a delivery's reference; beginning of an email; "
    "cus_ sub_ in_ evt_ cs_; an id"
)

_STRIPE = {
    "sub_": "stripe_subscription_id",
    "cus_": "customer__stripe_customer_id",
    "in_": "invoices__stripe_invoice_id",
    "cs_": "checkout__stripe_session_id",
}
_finders: list[Callable[[str], Iterable[UUID]]] = []
_pages: list[Callable[[UUID], str]] = []
_objections: list[Callable[[UUID, Any], str]] = []


def teach(
    find: Callable[[str], Iterable[UUID]],
    page: Callable[[UUID], str],
    object_to: Callable[[UUID, Any], str],
) -> None:
    """Say how else subjects are found, how the page of one is linked to, and who may pay for it."""
    _finders.append(find)
    _pages.append(page)
    _objections.append(object_to)


def objection(subject_id: UUID, payer: Any) -> str:
    """Why this person cannot pay for this subject, says who knows what it is; empty if they can."""
    said = (object_to(subject_id, payer) for object_to in _objections)
    return next(filter(None, said), "")


def subject_page(subject_id: UUID | None) -> str:
    """Link to the page of what the subject is; its id alone where nobody knows."""
    if subject_id is None:
        return NOTHING
    return next((page(subject_id) for page in _pages), str(subject_id))


def as_id(text: str) -> list[UUID]:
    """The id that the text is, if it is one."""
    try:
        return [UUID(text)]
    except ValueError:
        return []


def user_ids(text: str) -> set[UUID]:
    """People by their id, by the beginning of their email, or by what they pay for at Stripe."""
    found = set(as_id(text))
    if names_stripe(text):
        found.update(_payers(text))
    elif len(text) >= SHORTEST:
        people = get_user_model().objects.filter(email__startswith=text.lower())
        found.update(people.values_list("pk", flat=True)[:MOST])
    return found


def subject_ids(text: str) -> set[UUID]:
    """Subjects by their id, by what belongs to them at Stripe, and by what other apps know."""
    found = {*as_id(text), *chain.from_iterable(find(text) for find in _finders)}
    if names_stripe(text):
        of = _of_stripe(text).exclude(subject=None)
        found.update(of.values_list("subject_id", flat=True)[:MOST])
        pages = Checkout.objects.filter(stripe_session_id=text)
        found.update(pages.values_list("subject_id", flat=True))
    return found


def subscription_ids(text: str) -> set[int]:
    """Subscriptions by anything at Stripe that belongs to them."""
    if not names_stripe(text):
        return set()
    return set(_of_stripe(text).values_list("pk", flat=True)[:MOST])


def names_stripe(text: str) -> bool:
    """Whether the text looks like an id of Stripe's."""
    return text.startswith((*_STRIPE, "evt_"))


def _of_stripe(text: str) -> QuerySet[Subscription]:
    rows = Subscription.objects.order_by("-pk")
    if text.startswith("evt_"):
        event = StripeEvent.objects.filter(stripe_event_id=text).first()
        of_event = event.stripe_subscription_id if event else ""
        return rows.filter(stripe_subscription_id=of_event or "none")
    field = next(field for prefix, field in _STRIPE.items() if text.startswith(prefix))
    return rows.filter(**{field: text})


def _payers(text: str) -> Iterable[UUID]:
    if text.startswith("cus_"):
        return Customer.objects.filter(stripe_customer_id=text).values_list("payer_id", flat=True)
    if text.startswith("cs_"):
        return Checkout.objects.filter(stripe_session_id=text).values_list("payer_id", flat=True)
    of = _of_stripe(text).exclude(customer=None)
    return of.values_list("customer__payer_id", flat=True)[:MOST]
