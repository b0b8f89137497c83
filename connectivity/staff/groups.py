"""Decides which group of staff may see and do what; who is in a group is decided by people."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

# The named actions, each by the model whose page it is on: (app, model, codename, name).
ACTIONS = (
    ("fleet", "vehicle", "replace_key", "Can replace a car's key"),
    ("fleet", "claim", "decide_claim", "Can decide a claim"),
    ("accounts", "user", "move_user", "Can move an account to a new email"),
)
# Of these apps the group sees everything. `account`, `mfa` and `usersessions` are allauth's.
PEOPLE = {"accounts", "account", "mfa", "usersessions", "notices"}
SEES = {
    "Support": {"billing", "fleet", *PEOPLE},
    "Billing": {"billing", "fleet", *PEOPLE},
    "Fleet": {"fleet", "accounts"},
    "Auditor": {"billing", "fleet", "admin", *PEOPLE},
}
DOES = {
    "Support": {"decide_claim", "move_user"},
    "Billing": set[str](),
    "Fleet": {"replace_key", "decide_claim"},
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
