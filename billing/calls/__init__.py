"""Each kind of call that changes Stripe; billing.intents decides when one is made."""

from billing.calls import buying, changing, giving, renewing
from billing.calls.call import Call
from billing.models import Intent

__all__ = ["KINDS", "Call"]

KINDS: dict[Intent.Kind, Call] = {
    Intent.Kind.CREATE_CUSTOMER: buying.CREATE_CUSTOMER,
    Intent.Kind.UPDATE_CUSTOMER: buying.UPDATE_CUSTOMER,
    Intent.Kind.OPEN_CHECKOUT: buying.OPEN_CHECKOUT,
    Intent.Kind.EXPIRE_CHECKOUT: buying.EXPIRE_CHECKOUT,
    Intent.Kind.CANCEL_SUBSCRIPTION: renewing.CANCEL_SUBSCRIPTION,
    Intent.Kind.REFUND_SUBSCRIPTION: renewing.REFUND_SUBSCRIPTION,
    Intent.Kind.SET_RENEWAL: renewing.SET_RENEWAL,
    Intent.Kind.SWITCH_PRICE: changing.SWITCH_PRICE,
    Intent.Kind.SWITCH_AT_END: changing.SWITCH_AT_END,
    Intent.Kind.DELETE_CUSTOMER: changing.DELETE_CUSTOMER,
    Intent.Kind.EXTEND: giving.EXTEND,
    Intent.Kind.REFUND_INVOICE: giving.REFUND_INVOICE,
}
