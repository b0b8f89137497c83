"""The staff's pages: who gets in, that nothing can be typed over, that everything is found."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import reverse

from billing import grants
from billing.models import (
    Change,
    Checkout,
    Customer,
    Dispute,
    DomainEvent,
    Finding,
    Grant,
    Intent,
    Invoice,
    Reconciliation,
    Seat,
    StripeEvent,
    Subject,
    Subscription,
)
from connectivity.staff import groups
from fleet.models import Claim, Delivery, Ownership, Report, Vehicle
from fleet.models import DomainEvent as FleetEvent
from tests import factories, staffed

pytestmark = pytest.mark.django_db
OURS = {"accounts", "billing", "fleet", "notices", "account", "mfa", "usersessions"}


@pytest.fixture
def staff() -> Client:
    return staffed.sign_in(staffed.make_staff())


@pytest.fixture
def paid(now) -> Subscription:
    """A car with an owner who pays for it, a delivery, a report and a claim: a row of each kind."""
    owner = factories.make_user("anna.muster@example.com")
    car = factories.make_car(owner).vehicle
    grants.give(
        grants.Gift(car.id, "premium", "goodwill", now.replace(microsecond=0), None), now=now
    )
    customer = Customer.objects.create(payer=owner, currency="usd", stripe_customer_id="cus_1")
    checkout = Checkout.objects.create(
        id=car.id,
        subject_id=car.id,
        payer=owner,
        lookup_key="premium_monthly_usd",
        state="paid",
        stripe_session_id="cs_test_1",
        url="https://checkout.stripe.com/secret",
        started_at=now,
        expires_at=now,
        check_at=now,
    )
    subscription = Subscription.objects.create(
        stripe_subscription_id="sub_1",
        subject_id=car.id,
        customer=customer,
        checkout=checkout,
        status="active",
        plan="premium",
    )
    Seat.objects.create(subject_id=car.id, payer=owner, subscription=subscription, taken_at=now)
    Invoice.objects.create(
        stripe_invoice_id="in_1",
        subscription=subscription,
        number="A-0001",
        status="paid",
        currency="usd",
        total=1000,
        amount_paid=1000,
        created_at=now,
    )
    StripeEvent.objects.create(
        stripe_event_id="evt_1",
        type="invoice.paid",
        stripe_subscription_id="sub_1",
        payload={"id": "evt_1"},
        received_at=now,
        next_attempt_at=now,
        state="handled",
    )
    Intent.objects.create(
        kind="cancel_subscription",
        idempotency_key="cancel:sub_1",
        request={},
        created_at=now,
        next_attempt_at=now,
        answered_at=now,
    )
    DomainEvent.objects.create(kind="grant_given", at=now, subject_id=car.id, payer=owner)
    Delivery.objects.create(
        vehicle=car,
        version=9,
        reference="BCDFG-HJKLM",
        plan="premium",
        changed_at=now,
        state="sent",
    )
    Report.objects.create(vehicle=car, version=1, catalog=1, applied=True, at=now, received_at=now)
    FleetEvent.objects.create(kind="vehicle_added", at=now, vehicle=car, actor=owner)
    Claim.objects.create(vehicle=car, claimant=factories.make_user(), opened_at=now)
    Dispute.objects.create(
        stripe_dispute_id="dp_1",
        invoice_id="in_1",
        status="needs_response",
        amount=1000,
        currency="usd",
        opened_at=now,
        synced_at=now,
    )
    compared = Reconciliation.objects.create(started_at=now)
    Finding.objects.create(
        reconciliation=compared, kind="paying_without_a_car", what="sub_1", found_at=now
    )
    return subscription


def list_of(model: Any, client: Client, q: str = "") -> Any:
    meta = model._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return client.get(url, {"q": q} if q else {})


def page_of(row: Any, client: Client, **post: str) -> Any:
    meta = row._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    return client.post(url, post) if post else client.get(url)


def found(model: Any, client: Client, q: str) -> set[Any]:
    return {row.pk for row in list_of(model, client, q).context["cl"].result_list}


class TestTheDoor:
    def test_a_stranger_is_sent_to_the_one_sign_in(self, client: Client) -> None:
        answer = client.get("/admin/fleet/vehicle/", follow=True)
        assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")
        assert "%2Fadmin%2Ffleet%2Fvehicle%2F" in answer.redirect_chain[-1][0]

    def test_an_owner_is_refused(self) -> None:
        client = staffed.sign_in(factories.make_user())
        assert client.get("/admin/", follow=True).status_code == 403

    def test_staff_without_a_second_factor_are_told_how_to_add_one(self) -> None:
        client = staffed.sign_in(factories.make_user(is_staff=True, is_superuser=True))
        answer = client.get("/admin/fleet/vehicle/", follow=True)
        assert answer.status_code == 403
        assert reverse("mfa_add_webauthn") in answer.content.decode()

    @pytest.mark.parametrize("ago", [None, 13 * 3600])
    def test_staff_who_did_not_show_theirs_today_are_asked_to(self, ago: float | None) -> None:
        client = staffed.sign_in(staffed.make_staff(), shown_ago=ago)
        answer = client.get("/admin/fleet/vehicle/", follow=True)
        assert answer.status_code == 403
        assert f"{reverse('mfa_reauthenticate')}?next=%2Fadmin%2Ffleet" in answer.content.decode()

    def test_a_second_factor_that_another_user_showed_does_not_count(self) -> None:
        client = staffed.sign_in(staffed.make_staff())
        other = staffed.make_staff()
        client.force_login(other, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get("/admin/", follow=True).status_code == 403

    def test_one_that_was_removed_since_does_not_count(self) -> None:
        user = staffed.make_staff()
        client = staffed.sign_in(user)
        assert client.get("/admin/").status_code == 200
        user.authenticator_set.all().delete()
        assert client.get("/admin/", follow=True).status_code == 403

    def test_no_password_opens_it(self, client: Client) -> None:
        factories.make_user("staff@example.com", password="secret", is_staff=True)
        form = {"username": "staff@example.com", "password": "secret", "next": "/admin/"}
        answer = client.post("/admin/login/", form)
        assert answer.status_code == 302
        assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("paid")
class TestPages:
    def test_every_model_of_ours_is_there(self) -> None:
        from django.apps import apps

        labels = {"accounts", "billing", "fleet", "notices"}
        ours = {model for model in apps.get_models() if model._meta.app_label in labels}
        assert ours <= set(admin.site._registry)

    def test_every_list_and_every_object_page_can_be_read(self, staff: Client) -> None:
        for model in admin.site._registry:
            answer = list_of(model, staff)
            assert answer.status_code == 200, model
            assert list_of(model, staff, "anna").status_code == 200, model
            row = model._default_manager.first()
            if row is not None:
                assert page_of(row, staff).status_code == 200, model

    def test_nothing_is_added_deleted_or_typed_over(self, staff: Client) -> None:
        for model, page in admin.site._registry.items():
            if model._meta.app_label not in OURS:
                continue
            meta = model._meta
            prefix = f"admin:{meta.app_label}_{meta.model_name}"
            row = model._default_manager.first()
            assert staff.get(reverse(f"{prefix}_add")).status_code == 403, model
            if row is None:
                continue
            assert staff.post(reverse(f"{prefix}_delete", args=[row.pk])).status_code == 403
            if page.opts.model_name != "user":
                assert page_of(row, staff, status="canceled", plan="x").status_code == 403, model

    def test_of_a_user_only_the_roles_can_be_changed_and_only_by_a_superuser(
        self, staff: Client
    ) -> None:
        user = factories.make_user("a@example.com")
        support = Group.objects.get(name="Support")
        form = {"is_active": "on", "is_staff": "on", "groups": str(support.pk)}
        tried = {"email": "b@example.com", "is_superuser": "on", "password": "x"}
        assert page_of(user, staff, **form, **tried).status_code == 302
        user.refresh_from_db()
        assert (user.email, user.is_superuser, user.is_staff) == ("a@example.com", False, True)
        assert list(user.groups.all()) == [support]
        supporter = staffed.sign_in(staffed.make_staff("Support"))
        assert page_of(user, supporter, **form).status_code == 403

    def test_lists_mask_what_pages_show(self, staff: Client) -> None:
        car = Vehicle.objects.get()
        model: Any
        for model in (Vehicle, Delivery, Ownership, Claim, FleetEvent, Report):
            text = list_of(model, staff).content.decode()
            assert car.vin not in text, model
            assert "anna.muster" not in text, model
            assert car.vin[:4] + "•" * 9 + car.vin[-4:] in text, model
        for model in (Subscription, Customer, Seat, Checkout, DomainEvent):
            text = list_of(model, staff).content.decode()
            assert "anna.muster" not in text, model
            assert "a•••@example.com" in text, model
        assert car.vin in page_of(car, staff).content.decode()

    def test_bearer_links_and_secrets_are_nowhere(self, staff: Client) -> None:
        assert "checkout.stripe.com" not in page_of(Checkout.objects.get(), staff).content.decode()
        user = staffed.make_staff()
        factor = user.authenticator_set.get()
        assert "secret" not in page_of(factor, staff).content.decode()

    def test_invoices_show_money_as_people_write_it(self, staff: Client) -> None:
        for answer in (list_of(Invoice, staff), page_of(Invoice.objects.get(), staff)):
            assert "$10.00 of $10.00" in answer.content.decode()
            assert "1000" not in answer.content.decode()

    def test_findings_are_sorted_by_kind_and_disputes_shown_as_money(self, staff: Client) -> None:
        url = reverse("admin:billing_finding_changelist")
        assert "paying without a car" in staff.get(url).content.decode()
        for kind, shown in (("paying_without_a_car", 1), ("other", 0)):
            assert staff.get(url, {"kind": kind}).context["cl"].result_count == shown
        for repaired, shown in (("no", 1), ("yes", 0)):
            assert staff.get(url, {"repaired": repaired}).context["cl"].result_count == shown
        assert found(Finding, staff, "sub_1") == {Finding.objects.get().pk}
        assert "$10.00" in list_of(Dispute, staff).content.decode()
        for text in ("dp_1", "in_1", "A-0001"):
            assert found(Dispute, staff, text) == {"dp_1"}

    def test_pages_are_linked_and_stripe_in_the_right_mode(
        self, staff: Client, paid: Subscription, settings
    ) -> None:
        car = Vehicle.objects.get()
        assert f"/admin/fleet/vehicle/{car.pk}/change/" in page_of(paid, staff).content.decode()
        text = page_of(car, staff).content.decode()
        assert f"/admin/billing/subscription/?q={car.pk}" in text
        assert "anna.muster@example.com</a>" in text
        for key, base, link in (
            ("sk_test_1", "", "https://dashboard.stripe.com/test/subscriptions/sub_1"),
            ("sk_live_1", "", "https://dashboard.stripe.com/subscriptions/sub_1"),
            ("sk_test_1", "http://localhost:1", None),
        ):
            settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = key, base
            links = re.findall(
                r'href="(https://dashboard[^"]+)"', page_of(paid, staff).content.decode()
            )
            assert links == ([link] if link else [])

    def test_the_cars_page_tells_its_whole_story(self, staff: Client) -> None:
        text = page_of(Vehicle.objects.get(), staff).content.decode()
        story = text[text.index("What happened") :]
        for part in (
            "vehicle added",
            "grant given",
            "version 9, reference BCDFG-HJKLM: to be told",
            "the car says it applied version 1",
        ):
            assert part in story, part

    def test_no_page_needs_inline_script_or_style(self, staff: Client) -> None:
        for path in ("/admin/", "/admin/fleet/vehicle/"):
            answer = staff.get(path)
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            text = answer.content.decode()
            assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style| style=| on\w+=", text)

    def test_the_ribbon_and_the_clock_are_on_each_page(self, staff: Client, moving_clock) -> None:
        later = moving_clock.advance(days=40)
        text = staff.get("/admin/").content.decode()
        assert f"{later:%Y-%m-%d %H}:" in text
        assert "no real payment" in text


@pytest.mark.usefixtures("paid")
class TestSearch:
    @pytest.mark.parametrize(
        "typed",
        [
            "{vin}",
            "{lower}",
            "{spaced}",
            "{start}",
            "{last6}",
            "anna.mus",
            "ANNA.MUSTER@example.com",
            "cus_1",
            "sub_1",
            "in_1",
            "evt_1",
            "cs_test_1",
            "BCDFG-HJKLM",
            " bcdfg hjklm",
            "{id}",
        ],
    )
    def test_a_car_is_found_by_all_that_names_it(
        self, staff: Client, paid: Subscription, typed: str
    ) -> None:
        car = Vehicle.objects.get()
        factories.make_car(factories.make_user(), vin="1HGCM82633A004352")
        vin = car.vin
        text = typed.format(
            vin=vin,
            lower=vin.lower(),
            spaced=f" {vin[:3]} {vin[3:9]}-{vin[9:]} ",
            start=vin[:11],
            last6=vin[-6:],
            id=car.pk,
        )
        assert found(Vehicle, staff, text) == {car.pk}
        assert found(Subject, staff, text) == {car.pk}
        assert found(Subscription, staff, text) == {paid.pk}
        assert found(Ownership, staff, text) == {car.ownerships.get().pk}
        assert car.ownerships.get().owner_id in found(
            Ownership.owner.field.related_model, staff, text
        )

    def test_what_names_nothing_finds_nothing(self, staff: Client, rf: RequestFactory) -> None:
        request = rf.get("/admin/")
        request.user = get_user_model().objects.get(is_superuser=True)
        for model, its in admin.site._registry.items():
            if model._meta.app_label in OURS:
                assert found(model, staff, "x' OR 1=1") == set(), model
                for typed in ("%", "_", "ä" * 300, "cus_", "ab", "0"):
                    every = its.get_queryset(request)
                    rows, _ = its.get_search_results(request, every, typed)
                    assert not rows.exists(), (model, typed)

    def test_more_of_billing_is_found_by_its_own_names(self, staff: Client) -> None:
        for text in ("in_1", "sub_1", "cus_1", "anna.muster", "A-0001", "a-00"):
            assert found(Invoice, staff, text) == {"in_1"}
        for text in ("-0001", "A-0002"):
            assert found(Invoice, staff, text) == set()
        for text in ("evt_1", "sub_1"):
            assert found(StripeEvent, staff, text) == {StripeEvent.objects.get().pk}
        for text in ("cancel:", "sub_1"):
            assert found(Intent, staff, text) == {Intent.objects.get().pk}

    def test_a_search_reads_no_table_of_millions(
        self, staff: Client, django_assert_max_num_queries
    ) -> None:
        with django_assert_max_num_queries(40) as queries:
            list_of(Vehicle, staff, "anna")
        said = " ".join(query["sql"] for query in queries.captured_queries)
        assert "UPPER(" not in said
        assert "LIKE '%" not in said

    def test_a_long_list_is_estimated_and_cut(self) -> None:
        from django.db import connection

        from billing.staff import paginator

        subjects = [Subject(id=f"00000000-0000-7000-8000-{n:012d}") for n in range(10_002)]
        Subject.objects.bulk_create(subjects)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE billing_subject")
        everything = paginator.EstimatedPaginator(Subject.objects.order_by("id"), 50)
        assert everything.count == Subject.objects.count() > paginator.EXACT
        some = paginator.EstimatedPaginator(Subject.objects.filter(version=1).order_by("id"), 50)
        assert some.count == paginator.EXACT + 1


class TestGroups:
    @pytest.mark.parametrize(
        ("group", "sees", "not_sees"),
        [
            ("Support", [Vehicle, Subscription, Grant], []),
            ("Billing", [Vehicle, Subscription, Intent], []),
            ("Fleet", [Vehicle, Delivery], [Subscription, Invoice]),
            ("Auditor", [Vehicle, Subscription, Change], []),
        ],
    )
    def test_a_group_sees_its_own(self, group: str, sees: list, not_sees: list) -> None:
        client = staffed.sign_in(staffed.make_staff(group))
        assert [list_of(model, client).status_code for model in sees] == [200] * len(sees)
        assert [list_of(model, client).status_code for model in not_sees] == [403] * len(not_sees)

    def test_the_actions_belong_to_their_groups(self) -> None:
        all_of_them = {f"{app}.{codename}" for app, _, codename, _ in groups.ACTIONS}
        able = {
            name: {action for action in all_of_them if staffed.make_staff(name).has_perm(action)}
            for name in ("Support", "Billing", "Fleet", "Auditor")
        }
        gifts = {"fleet.give_goodwill", "billing.end_gift"}
        declared = "law.settle_declaration"
        assert able == {
            "Support": {
                "fleet.decide_claim",
                "fleet.resend",
                "accounts.move_user",
                declared,
                *gifts,
            },
            "Billing": {
                "billing.cancel_subscription",
                "billing.extend_subscription",
                "billing.adopt_subscription",
                "billing.refund_invoice",
                "billing.read_event_again",
                declared,
                *gifts,
            },
            "Fleet": {
                "fleet.replace_key",
                "fleet.decide_claim",
                "fleet.resend",
                "fleet.retire_vehicle",
                "fleet.set_pace",
                "fleet.roll_out",
            },
            "Auditor": set(),
        }
