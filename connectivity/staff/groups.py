"""Decides which group of staff may see and do what; who is in a group is decided by people."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

# The named actions, each by the model whose page it is on: (app, model, codename, name).
ACTIONS = (
    ("billing", "subscription", "cancel_subscription", "Can end a subscription now"),
    ("billing", "subscription", "extend_subscription", "Can extend a subscription for a repair"),
    ("billing", "subscription", "adopt_subscription", "Can give a subscription its car"),
    ("billing", "invoice", "refund_invoice", "Can pay back a part of an invoice"),
    ("billing", "grant", "end_gift", "Can end a gift"),
    ("billing", "stripeevent", "read_event_again", "Can have a parked event read again"),
    ("fleet", "vehicle", "give_goodwill", "Can give a car days of Premium"),
    ("fleet", "vehicle", "replace_key", "Can replace a car's key"),
    ("fleet", "vehicle", "resend", "Can have a car told once more"),
    ("fleet", "vehicle", "retire_vehicle", "Can take a car out of service and put it back"),
    ("fleet", "claim", "decide_claim", "Can decide a claim"),
    ("fleet", "pace", "set_pace", "Can set how often cars ask"),
    ("fleet", "rollout", "roll_out", "Can roll a feature out, halt it and take it back"),
    ("accounts", "user", "move_user", "Can move an account to a new email"),
    ("law", "declaration", "settle_declaration", "Can settle what was declared"),
)
MONEY = {
    "cancel_subscription",
    "extend_subscription",
    "adopt_subscription",
    "refund_invoice",
    "read_event_again",
}
GIFTS = {"give_goodwill", "end_gift"}
# Of these apps the group sees everything. `account`, `mfa` and `usersessions` are allauth's.
PEOPLE = {"accounts", "account", "law", "mfa", "usersessions", "notices"}
SEES = {
    "Support": {"billing", "fleet", *PEOPLE},
    "Billing": {"billing", "fleet", *PEOPLE},
    "Fleet": {"fleet", "accounts"},
    "Auditor": {"billing", "fleet", "admin", *PEOPLE},
}
DOES = {
    "Support": {"decide_claim", "move_user", "resend", "settle_declaration", *GIFTS},
    "Billing": {"settle_declaration", *MONEY, *GIFTS},
    "Fleet": {"replace_key", "decide_claim", "resend", "retire_vehicle", "set_pace", "roll_out"},
    "Auditor": set[str](),
}


def grant(*, app_config: AppConfig, **_: Any) -> None:
    """Give each group what it may see and do in this app, after its tables were migrated.

    What staff took away by hand comes back; what they added stays.
    """
    if not any(app_config.label in seen for seen in SEES.values()):
        return
    create_permissions(app_config, verbosity=0)
    for app, model, codename, name in ACTIONS:
        if app == app_config.label:
            of = ContentType.objects.get(app_label=app, model=model)
            Permission.objects.get_or_create(
                content_type=of, codename=codename, defaults={"name": name}
            )
    permissions = Permission.objects.filter(content_type__app_label=app_config.label)
    for name, apps in SEES.items():
        group, _made = Group.objects.get_or_create(name=name)
        if app_config.label in apps:
            group.permissions.add(*permissions.filter(codename__startswith="view_"))
        group.permissions.add(*permissions.filter(codename__in=DOES[name]))
