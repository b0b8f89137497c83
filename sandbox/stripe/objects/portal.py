"""The shapes of the customer portal: what it allows, and one customer's visit to it."""

from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id

_REASONS = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)


def configuration(tx: Transaction, given: dict[str, Any], *, is_default: bool) -> Body:
    """What customers may do in the portal."""
    profile = given.get("business_profile", {})
    return {
        "id": new_id("bpc"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            "headline": profile.get("headline"),
            "privacy_policy_url": profile.get("privacy_policy_url"),
            "terms_of_service_url": profile.get("terms_of_service_url"),
        },
        "created": tx.now,
        "default_return_url": given.get("default_return_url"),
        "features": _features(given.get("features", {})),
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": given.get("metadata", {}),
        "name": given.get("name"),
        "updated": tx.now,
    }


def _features(given: dict[str, Any]) -> Body:
    update = given.get("customer_update", {})

    def enabled(name: str) -> bool:
        return bool(given.get(name, {}).get("enabled", False))

    return {
        "customer_update": {
            "allowed_updates": update.get("allowed_updates", []),
            "enabled": enabled("customer_update"),
        },
        "invoice_history": {"enabled": enabled("invoice_history")},
        "payment_method_update": {
            "enabled": enabled("payment_method_update"),
            "payment_method_configuration": None,
        },
        "subscription_cancel": _cancelling(given.get("subscription_cancel", {})),
        "subscription_pause": {
            "duration": {"interval_options": [], "type": "indefinite"},
            "enabled": enabled("subscription_pause"),
        },
        "subscription_update": {
            "billing_cycle_anchor": None,
            "default_allowed_updates": [],
            "enabled": False,
            "products": None,
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }


def _cancelling(given: dict[str, Any]) -> Body:
    reasons = given.get("cancellation_reason", {})
    return {
        "cancellation_reason": {
            "enabled": reasons.get("enabled", False),
            "feedback_options": None,
            "options": reasons.get("options", list(_REASONS)),
        },
        "enabled": given.get("enabled", False),
        "mode": given.get("mode", "at_period_end"),
        "proration_behavior": given.get("proration_behavior", "none"),
    }


def session(tx: Transaction, *, customer: str, configuration: str, given: dict[str, Any]) -> Body:
    """A customer's visit, which the shop begins."""
    session_id = new_id("bps")
    return {
        "id": session_id,
        "object": "billing_portal.session",
        "configuration": configuration,
        "created": tx.now,
        "customer": customer,
        "customer_account": None,
        "flow": _flow(given["flow_data"]) if "flow_data" in given else None,
        "livemode": False,
        "locale": given.get("locale"),
        "on_behalf_of": None,
        "return_url": given.get("return_url"),
        "url": f"{tx.public_url}/p/session/{session_id}",
    }


def _flow(given: dict[str, Any]) -> Body:
    after = given.get("after_completion", {"type": "portal_homepage"})
    flow: Body = dict.fromkeys(
        (
            "customer_update",
            "subscription_cancel",
            "subscription_pause",
            "subscription_update",
            "subscription_update_confirm",
        )
    )
    flow["after_completion"] = {
        "hosted_confirmation": after.get("hosted_confirmation"),
        "redirect": after.get("redirect"),
        "type": after["type"],
    }
    if "subscription_cancel" in given:
        flow["subscription_cancel"] = {"retention": None, **given["subscription_cancel"]}
    if "subscription_pause" in given:
        flow["subscription_pause"] = given["subscription_pause"]
    return flow | {"type": given["type"]}
