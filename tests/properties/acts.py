"""What owners, staff and Stripe's own people do; each act tells the promises what was done.

An act that is refused changes nothing, so it promises nothing. It must never look at what followed.
"""

import contextlib
import copy
import uuid
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from billing import amends, checkout, grants, renewal, switching, withdrawal
from billing.gateway import StripeAway, StripeRefused
from billing.grants import Gift
from billing.models import Grant, Invoice, Subscription
from fleet import entries, garage, goodwill
from fleet.garage import NotInGarage
from fleet.vin import Vin
from tests.factories import Car, body, make_car
from tests.properties import ledger
from tests.properties.ledger import Ledger
from tests.properties.promises import Contract, Promised, Purchase
from tests.properties.stage import Stage

NAMES = ("ann", "bob", "cy")
REFUSALS = (
    checkout.AlreadySubscribed,
    checkout.SeatTaken,
    entries.MayNotBuy,
    NotInGarage,
    renewal.NotSubscribed,
    switching.Declined,
    switching.NotNow,
    switching.Stale,
    withdrawal.NothingToWithdrawFrom,
    amends.NothingToExtend,
    amends.TooMuch,
    grants.HasItForGood,
    goodwill.CannotUseIt,
    StripeAway,
    StripeRefused,
)


@contextlib.contextmanager
def may_be_refused() -> Iterator[None]:
    """A refusal in words that the pages know is an answer."""
    with contextlib.suppress(*REFUSALS):
        yield


class Acts:
    """Two cars and three people."""

    def __init__(self, stage: Stage, people: dict[str, Any]) -> None:
        self.stage, self.people = stage, people
        self.cars: list[Car] = [make_car(people["ann"]) for _ in range(2)]
        self.promised = [Promised(owner="ann") for _ in self.cars]
        self._runs_on: dict[str, bool] = {}
        self._read: tuple[int, Ledger] | None = None

    def __copy__(self) -> "Acts":
        """The same cars and promises, for another sequence that begins with them."""
        copied = object.__new__(Acts)
        copied.stage, copied.people = self.stage, self.people
        copied.cars = [Car(copy.copy(car.vehicle), car.key) for car in self.cars]
        copied.promised = copy.deepcopy(self.promised)
        copied._runs_on, copied._read = dict(self._runs_on), None
        return copied

    @property
    def ledger(self) -> Ledger:
        """What Stripe knows now."""
        if self._read is None or self._read[0] != self.stage.changes:
            self._read = (self.stage.changes, ledger.read(self.stage.world.sandbox))
        return self._read[1]

    def purchases(self) -> list[Purchase]:
        """All that anybody ever went to pay for, the oldest first."""
        return sorted(
            (each for car in self.promised for each in car.purchases), key=lambda each: each.at
        )

    def contracts(self, *statuses: str) -> list[tuple[Purchase, Contract]]:
        """The purchases that became a contract; those that live, or with these statuses."""
        book = self.ledger
        pairs = [(one, book.contracts[one.contract]) for one in self.purchases() if one.contract]
        return [
            pair for pair in pairs if (pair[1].status in statuses if statuses else pair[1].lives)
        ]

    # What owners do.

    def opens(self, car: int, price: str) -> None:
        """The owner goes to the payment page."""
        name, vehicle = self.promised[car].owner, self.cars[car].vehicle
        if name is None:
            return
        user, now = self.people[name], self.stage.now
        with may_be_refused():
            entry = entries.entry(owner=user, vehicle_id=vehicle.id, now=now)
            entries.check_may_buy(entry)
            url = checkout.start(
                payer=user,
                subject_id=vehicle.id,
                lookup_key=price,
                currency="usd",
                return_url="http://testserver/back",
                cancel_url="http://testserver/left",
                still_may=lambda: entries.check_owner(owner=user, vehicle_id=vehicle.id),
                now=now,
            )
            page = url.rpartition("/")[2]
            known = self.promised[car].purchases
            if page not in [each.page for each in known]:
                known.append(Purchase(person=name, car=car, page=page, at=now))

    def pays(self, purchase: Purchase, card: str, *, confirms: bool = True) -> None:
        """Fill in the card on a page that somebody went to; a bank may ask, and is answered."""
        form = {
            "cardNumber": card,
            "cardExpiry": "12 / 49",
            "cardCvc": "123",
            "billingName": "Card Holder",
        }
        address = f"http://localhost/c/pay/{purchase.page}"
        with self.stage.quiet_line():
            answer = self.stage.world.visit(address, form)
            if answer.status_code == 303 and answer.headers["Location"].endswith("/bank"):
                said = {"answer": "confirm" if confirms else "refuse"}
                self.stage.world.visit(f"{address}/bank", said)
        self.hear_of_payments()

    def hear_of_payments(self) -> None:
        """Whoever paid a page knows that there is a contract now."""
        pages = self.ledger.pages
        for purchase in self.purchases():
            purchase.contract = pages.get(purchase.page, "")

    def stops(self, car: int) -> None:
        """The owner cancels."""
        self._renews(car, renewal.stop)

    def keeps(self, car: int) -> None:
        """The owner undoes it."""
        self._renews(car, renewal.resume)

    def _renews(self, car: int, change: Any) -> None:
        name = self.promised[car].owner
        if name is not None:
            payer, subject_id = self.people[name], self.cars[car].vehicle.id
            with may_be_refused():
                change(payer=payer, subject_id=subject_id, now=self.stage.now)

    def switches(self, car: int) -> None:
        """The owner looks at the other price, and takes it."""
        name = self.promised[car].owner
        if name is None:
            return
        who = {"payer": self.people[name], "subject_id": self.cars[car].vehicle.id}
        with may_be_refused():
            quote = switching.quote(**who, now=self.stage.now)
            asked: dict[str, Any] = {"to": quote.to, "unit_amount": quote.unit_amount}
            asked["proration_date"] = quote.proration_date
            switching.switch(**who, **asked, now=self.stage.now)

    def withdraws(self, car: int) -> None:
        """The owner withdraws from the contract; that counts, whether Stripe hears it or not."""
        promised = self.promised[car]
        if promised.owner is None:
            return
        payer, subject_id = self.people[promised.owner], self.cars[car].vehicle.id
        with may_be_refused():
            before = self.ledger.contracts
            withdrawal.withdraw(payer=payer, subject_id=subject_id, now=self.stage.now)
            current = self._current(car)
            if before[current.contract].lives:
                current.stop(self.stage.now, "unused")

    def _current(self, car: int) -> Purchase:
        """What the car has Premium by: the last that was paid and that nobody has stopped."""
        paid = [one for one in self.promised[car].purchases if one.contract and not one.void]
        return [one for one in paid if one.stopped is None][-1]

    def releases(self, car: int) -> None:
        """The owner gives the car away."""
        promised = self.promised[car]
        if promised.owner is not None:
            owner, vehicle_id = self.people[promised.owner], self.cars[car].vehicle.id
            before = self.ledger.contracts
            garage.release(owner=owner, vehicle_id=vehicle_id, now=self.stage.now)
            promised.leaves(self.stage.now, before)

    def adds(self, car: int, name: str) -> None:
        """Somebody sits in a car that nobody has, and adds it."""
        promised, thing = self.promised[car], self.cars[car]
        if promised.owner is not None or promised.retired:
            return
        code = body(thing.call("POST", "/vehicle/v1/pairing"))["user_code"]
        vin = Vin.parse(thing.vehicle.vin)
        garage.add(owner=self.people[name], vin=vin, code=code, now=self.stage.now)
        promised.owner = name

    # What staff do.

    def comes_with(self, car: int, source: str, days: int) -> None:
        """A car has had something since it was made."""
        vehicle_id, now = self.cars[car].vehicle.id, self.stage.now
        until = now + timedelta(days=days)
        grants.give(Gift(vehicle_id, "premium", source, now, until), now=now)
        self.promised[car].gifts.append((now, until))

    def is_given(self, car: int, days: int, *, afterwards: bool) -> None:
        """Goodwill: what staff are shown is what is promised."""
        asked: dict[str, Any] = {"reason": "sorry", "token": str(uuid.uuid4()), "actor": None}
        with may_be_refused():
            given = goodwill.give(
                vehicle_id=self.cars[car].vehicle.id,
                days=days,
                afterwards=afterwards,
                **asked,
                now=self.stage.now,
            )
            self.promised[car].gifts.append((given.until - timedelta(days=days), given.until))

    def loses_gifts(self, car: int) -> None:
        """Staff end all that it was given."""
        given = Grant.objects.filter(subject_id=self.cars[car].vehicle.id, subscription=None)
        for grant_id in given.values_list("pk", flat=True):
            grants.end(grant_id, actor=None, reason="a mistake", now=self.stage.now)
        self.promised[car].ends_gifts(self.stage.now)

    def is_cancelled(self, purchase: Purchase, back: str) -> None:
        """Staff end a contract that they can see."""
        mirror = _mirror(purchase)
        if mirror is None:
            return
        lived = self.ledger.contracts[purchase.contract].lives
        wish: dict[str, Any] = {"refund": amends.Refund(back), "reason": "asked", "actor": None}
        with may_be_refused():
            try:
                done = amends.cancel_now(subscription_id=mirror.pk, **wish, now=self.stage.now)
            except (StripeAway, StripeRefused):
                done = True  # It has ended here; Stripe will hear of it.
            if done and lived:
                purchase.stop(self.stage.now, back)

    def is_refunded(self, purchase: Purchase, cents: int) -> None:
        """Staff give something back of the last payment that they can see."""
        mirror = _mirror(purchase)
        paid = Invoice.objects.filter(subscription=mirror, status="paid", amount_paid__gt=0)
        invoice = paid.order_by("-created_at").first() if mirror else None
        if invoice is not None:
            asked: dict[str, Any] = {"reason": "asked", "token": str(uuid.uuid4()), "actor": None}
            with may_be_refused():
                amends.refund(invoice_id=invoice.pk, amount=cents, **asked, now=self.stage.now)

    def is_extended(self, purchase: Purchase, days: int) -> None:
        """Staff make the paid time longer; what they are shown as a gift is one."""
        mirror = _mirror(purchase)
        if mirror is None:
            return
        asked: dict[str, Any] = {"reason": "a repair", "token": str(uuid.uuid4()), "actor": None}
        with may_be_refused():
            done = amends.extend(subscription_id=mirror.pk, days=days, **asked, now=self.stage.now)
            if done.as_gift:
                gift = (done.until - timedelta(days=days), done.until)
                self.promised[purchase.car].gifts.append(gift)

    def is_retired(self, car: int) -> None:
        """The car leaves service: nobody has it, nothing is paid or given for it."""
        vehicle_id, promised = self.cars[car].vehicle.id, self.promised[car]
        before = self.ledger.contracts
        if garage.retire(vehicle_id=vehicle_id, reason="scrap", actor=None, now=self.stage.now):
            promised.leaves(self.stage.now, before)
            promised.ends_gifts(self.stage.now)
            promised.retired = True

    # What is done at Stripe.

    def changes_at_stripe(self, contract: Contract, **form: Any) -> None:
        """The dashboard, or the portal, changes a subscription."""
        self.stage.dashboard("POST", f"/v1/subscriptions/{contract.id}", **form)

    def goes_on_at_stripe(self, contract: Contract) -> None:
        """The end is undone by the field that scheduled it: Stripe takes one of the two."""
        flag = self.ledger.flagged
        form = {"cancel_at_period_end": "false"} if contract.id in flag else {"cancel_at": ""}
        self.changes_at_stripe(contract, **form)

    def ends_at_stripe(self, contract: Contract) -> None:
        """The dashboard ends it at once, with no refund."""
        self.stage.dashboard("DELETE", f"/v1/subscriptions/{contract.id}")

    def pauses_at_stripe(self, contract: Contract, *, credited: bool) -> None:
        """It is paused; what is paid runs on, or its rest is credited to the next invoice."""
        unused = "now" if credited else "none"
        form = {"bill_for[unused_time_from][type]": unused, "type": "subscription"}
        self._runs_on[contract.id] = not credited
        self.stage.dashboard("POST", f"/v1/subscriptions/{contract.id}/pause", **form)

    def resumes_at_stripe(self, contract: Contract) -> None:
        """It goes on: in the period that runs, or else from now."""
        how = "unchanged" if self._runs_on.get(contract.id) else "now"
        form = {
            "billing_cycle_anchor[type]": how,
            "payment_behavior": "resume_on_payment_success",
        }
        self.stage.dashboard("POST", f"/v1/subscriptions/{contract.id}/resume", **form)

    def disputes(self, charge: str) -> None:
        """A bank takes a payment back."""
        self.stage.dashboard("POST", "/sandbox/stripe/disputes", charge=charge)

    def closes_dispute(self, dispute: str, status: str) -> None:
        """The bank has decided."""
        path = f"/sandbox/stripe/disputes/{dispute}/close"
        self.stage.dashboard("POST", path, status=status)

    def refunds_at_stripe(self, charge: str, cents: int) -> None:
        """The dashboard gives something back."""
        self.stage.dashboard("POST", "/v1/refunds", charge=charge, amount=cents)

    def takes_card(self, customer: str, card: str) -> None:
        """A customer gives another card in the portal, which pays what is open at once."""
        session = "/v1/billing_portal/sessions"
        with self.stage.quiet_line():
            if self.stage.dashboard("POST", session, customer=customer) == HTTPStatus.OK:
                page = f"http://localhost/p/session/{self.stage.last_answer['id']}"
                form = {
                    "cardNumber": card,
                    "cardExpiry": "12 / 49",
                    "cardCvc": "123",
                    "billingName": "Card Holder",
                }
                self.stage.world.visit(f"{page}/card", form)

    def deletes_customer(self, customer: str) -> None:
        """The dashboard deletes somebody with all that they pay."""
        self.stage.dashboard("DELETE", f"/v1/customers/{customer}")


def _mirror(purchase: Purchase) -> Subscription | None:
    return Subscription.objects.filter(stripe_subscription_id=purchase.contract).first()
