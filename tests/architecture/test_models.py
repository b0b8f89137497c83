"""Where the rows of one app may point: never across the joint of billing and fleet."""

from django.apps import apps
from django.conf import settings
from django.db import models

OURS = ("billing", "fleet", "accounts", "notices")
MONEY_AND_CARS = ("billing", "fleet")


def relations() -> list[tuple[type[models.Model], type[models.Model]]]:
    """Each model with each model that it points to."""
    return [
        (model, field.related_model)
        for label in OURS
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and isinstance(field.related_model, type)
    ]


def test_there_is_something_to_look_at() -> None:
    assert len(relations()) > 20


def test_no_key_crosses_from_billing_to_fleet_or_back() -> None:
    """The one model outside its own app that either may point to is the user."""
    user = apps.get_model(settings.AUTH_USER_MODEL)
    crossing = [
        f"{source._meta.label} -> {target._meta.label}"
        for source, target in relations()
        if source._meta.app_label in MONEY_AND_CARS
        and target is not user
        and target._meta.app_label != source._meta.app_label
    ]
    assert not crossing


def test_nobody_points_from_below() -> None:
    """The user knows neither billing nor fleet."""
    crossing = [
        f"{source._meta.label} -> {target._meta.label}"
        for source, target in relations()
        if source._meta.app_label == "accounts" and target._meta.app_label in MONEY_AND_CARS
    ]
    assert not crossing


def test_no_row_stores_a_verdict() -> None:
    """See Note [Facts, not verdicts]: a flag such as "premium now" would be wrong by time alone."""
    named = [
        f"{model._meta.label}.{field.name}"
        for label in MONEY_AND_CARS
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BooleanField)
        and field.name.startswith(("is_active", "is_premium", "has_premium", "entitled"))
    ]
    assert not named


def test_each_model_has_a_name_that_people_can_read() -> None:
    for label in OURS:
        for model in apps.get_app_config(label).get_models():
            assert model.__str__ is not models.Model.__str__, model._meta.label
