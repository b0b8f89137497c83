"""The sentences for each state of a car's two truths: what was paid for, what the car has.

It must never know a state's reason: fleet.lines chooses among them.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

# Icon, tone, headline and text of a state.
Sentences = tuple[str, str, Promise | str, Promise | str]

UNKNOWN_CHARGE = gettext_lazy("The next charge is not known yet; look again in a minute.")
DISCOUNT = gettext_lazy("Next charge {amount} on {charge}{card}, instead of {full}.")
DISCOUNT_ENDS = gettext_lazy(
    "Next charge {amount} on {charge}{card}, instead of {full}. "
    "The discount lasts until {discount_end}."
)
IN_DISPUTE: Sentences = (
    "alert",
    "warn",
    gettext_lazy("A payment is in dispute"),
    gettext_lazy(
        "Your bank holds a payment back at your request. Premium stays on until the end of what "
        "was paid. If that was a mistake, tell your bank."
    ),
)
TRIAL_ENDS = gettext_lazy("Your trial ends on {charge}")
CONFIRMATION = gettext_lazy("Your bank needs a confirmation")
CONFIRM_IT = gettext_lazy("Confirm the payment of {due}. Premium stays on until {access}.")
CONFIRM_AFTER_GRACE = gettext_lazy(
    "What was paid ended on {access}. Confirm the payment of {due} to switch Premium back on."
)
TAKEN_BACK = gettext_lazy(
    "Your bank has taken a payment back, so nothing is charged again. You keep Premium until then."
)
ENDED_ON = gettext_lazy("Ended on {end}")
ENDED_BY_BANK = gettext_lazy(
    "Your bank has taken a payment back. You are no longer charged; subscribe again any time."
)
WITHDRAWN: Sentences = (
    "signal",
    "calm",
    gettext_lazy("Contract withdrawn on {withdrawn}"),
    gettext_lazy("What you have not used goes back to your card within 14 days."),
)
RETRY_OF = gettext_lazy(
    "We try the card again on {retry}. Premium stays on until {access}. Open: {due}{card}."
)
NO_RETRY = gettext_lazy("Premium stays on until {access}. Update your card, or pay the invoice.")
RETRY_AFTER_GRACE = gettext_lazy(
    "What was paid ended on {access}. We try the card again on {retry}; a payment switches "
    "Premium back on."
)
NO_RETRY_AFTER_GRACE = gettext_lazy(
    "What was paid ended on {access}. Update your card, or pay the invoice, to switch Premium "
    "back on."
)
UNPAID_AMOUNT = gettext_lazy("Pay the open invoice of {due} to switch Premium back on.")
BILLING: dict[str, Sentences] = {
    "none": (
        "signal",
        "calm",
        gettext_lazy("Standard Connectivity"),
        gettext_lazy(
            "Premium adds live traffic, satellite maps and streaming over cellular. "
            "Cancel any time."
        ),
    ),
    "checkout_open": (
        "card",
        "wait",
        gettext_lazy("Payment page opened"),
        gettext_lazy("You have not been charged. Continue, or start again."),
    ),
    "confirming": (
        "clock",
        "wait",
        gettext_lazy("Confirming your payment…"),
        gettext_lazy("Usually a few seconds. You can close this page: we email you."),
    ),
    "trialing": (
        "gift",
        "good",
        gettext_lazy("Trial: {left}"),
        gettext_lazy(
            "First charge {amount} on {charge}{card}. Cancel before then and you pay nothing."
        ),
    ),
    "active": (
        "check",
        "good",
        gettext_lazy("Active"),
        gettext_lazy("Next charge {amount} on {charge}{card}."),
    ),
    "past_due": (
        "alert",
        "warn",
        gettext_lazy("Payment failed"),
        gettext_lazy("We try the card again on {retry}. Premium stays on until {access}."),
    ),
    "unpaid": (
        "pause",
        "warn",
        gettext_lazy("Paused: a payment is missing"),
        gettext_lazy("Pay the open invoice to switch Premium back on."),
    ),
    "paused": (
        "pause",
        "wait",
        gettext_lazy("Paused"),
        gettext_lazy("Nothing is charged while it is paused. Resume it on Stripe's page."),
    ),
    "ending": (
        "clock",
        "calm",
        gettext_lazy("Ends on {end}"),
        gettext_lazy("You keep Premium until then. No more charges."),
    ),
    "ended": (
        "signal",
        "calm",
        gettext_lazy("Your subscription has ended"),
        gettext_lazy("You are no longer charged. Subscribe again any time."),
    ),
}

SENT_HEARD = gettext_lazy(
    "Your car picks it up when it is awake and has signal. Last report from your car: {heard}."
)
NEVER_HEARD = gettext_lazy("Your car has not been online yet")
CAR: dict[str, Sentences] = {
    "none": ("car", "calm", gettext_lazy("Your car runs on Standard"), ""),
    "queued": (
        "upload",
        "wait",
        gettext_lazy("Waiting to send to your car"),
        gettext_lazy("This takes a second or two."),
    ),
    "late": (
        "upload",
        "wait",
        gettext_lazy("Waiting to send to your car"),
        gettext_lazy(
            "This takes longer than usual, and the fault is ours. It goes on by itself; you keep "
            "what you have paid for."
        ),
    ),
    "unconfirmed": (
        "upload",
        "wait",
        gettext_lazy("Your car was told, and has not confirmed it yet"),
        gettext_lazy(
            "Last heard of: {heard}. We tell it again by ourselves. If it stays so, restart the "
            "car's screen, and then give support this reference: {reference}."
        ),
    ),
    "sent": (
        "upload",
        "wait",
        gettext_lazy("Sent to your car"),
        gettext_lazy("Your car picks it up when it is awake and has signal."),
    ),
    "active": ("check", "good", gettext_lazy("Active in your car since {since}"), ""),
    "asleep": (
        "moon",
        "wait",
        gettext_lazy("We have not heard from your car since {heard}"),
        gettext_lazy("Park it with signal or Wi-Fi: it activates by itself."),
    ),
    "failed": (
        "alert",
        "warn",
        gettext_lazy("We could not switch it on in your car"),
        gettext_lazy("We keep trying. If it stays so, give support this reference: {reference}."),
    ),
    "given_up": (
        "alert",
        "warn",
        gettext_lazy("We could not switch it on in your car"),
        gettext_lazy(
            "We tried for two weeks. Restart the car's screen, and give support this reference: "
            "{reference}."
        ),
    ),
    "removing": (
        "upload",
        "wait",
        gettext_lazy("Being switched off in your car"),
        gettext_lazy("Your car drops it when it is next awake."),
    ),
    "removed": ("car", "calm", gettext_lazy("Switched off in your car since {since}"), ""),
}
