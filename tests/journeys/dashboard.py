"""Stripe's dashboard, and the banks behind it: what happens there behind the product's back.

Each act is a call of Stripe's API or a control of the sandbox; what it leads to has happened when
it returns, unless webhooks are held.
"""

from typing import Any

from tests.journeys.world import World

PRICE = "premium_monthly_usd"


class Dashboard:
    """Somebody who is signed in at Stripe, or a cardholder's bank."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._http = world.app.test_client(use_cookies=False)

    def all(self, path: str) -> list[dict[str, Any]]:
        """A list of Stripe's, the newest first."""
        return list(self._call("GET", f"/v1/{path}", {})["data"])

    def does(self, path: str, **form: Any) -> dict[str, Any]:
        """Send a form of the dashboard's; fields that are called as in the API."""
        return self._call("POST", f"/v1/{path}", form)

    def controls(self, what: str, **form: Any) -> dict[str, Any]:
        """Use a control of the sandbox."""
        return self._call("POST", f"/sandbox/stripe/{what}", form)

    def subscription(self) -> dict[str, Any]:
        """The newest subscription."""
        return self.all("subscriptions?status=all")[0]

    def payment(self, nth: int = 0) -> str:
        """A payment that was made for an invoice; the newest, or the `nth` before it."""
        invoice = [each for each in self.all("invoices") if each["amount_paid"]][nth]
        paid = self.all(f"invoice_payments?invoice={invoice['id']}&status=paid")
        return str(paid[0]["payment"]["payment_intent"])

    def refunds(self, amount: int) -> None:
        """Give back a part of the newest payment."""
        self.does("refunds", payment_intent=self.payment(), amount=amount)

    def pauses(self, **form: str) -> None:
        """Pause the newest subscription."""
        self.does(f"subscriptions/{self.subscription()['id']}/pause", type="subscription", **form)

    def resumes(self, **form: str) -> None:
        """Resume it, with a period that begins now."""
        self.does(f"subscriptions/{self.subscription()['id']}/resume", **form)

    def cancels(self) -> None:
        """End the newest subscription at once."""
        self._call("DELETE", f"/v1/subscriptions/{self.subscription()['id']}", {})

    def disputes(self, *, nth: int = 0, inquiry: bool = False) -> str:
        """A bank takes a payment back for now, or only asks; return the dispute."""
        how = {"inquiry": "true"} if inquiry else {}
        opened = self.controls("disputes", payment_intent=self.payment(nth), **how)
        return str(opened["id"])

    def decides(self, dispute: str, status: str) -> None:
        """The bank decides: `won`, `lost`, or `warning_closed`."""
        self.controls(f"disputes/{dispute}/close", status=status)

    def subscribes(self, email: str, card: str = "pm_card_visa") -> dict[str, Any]:
        """Make a customer with a card, and a monthly subscription for them."""
        customer = self.does("customers", email=email, name="Made by hand")["id"]
        method = self.does(f"payment_methods/{card}/attach", customer=customer)["id"]
        by_default = {"invoice_settings[default_payment_method]": method}
        self.does(f"customers/{customer}", **by_default)
        price = self.all(f"prices?lookup_keys[]={PRICE}")[0]["id"]
        return self.does("subscriptions", customer=customer, **{"items[0][price]": price})

    def _call(self, method: str, path: str, form: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": "Bearer sk_test_sandbox"}
        answer = self._http.open(path, method=method, data=form or None, headers=headers)
        assert answer.status_code == 200, f"{method} {path}: {answer.get_data(as_text=True)}"
        self._world.settle()
        return dict(answer.get_json())
