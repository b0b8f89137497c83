"""The template tag that names the cars of invoices; billing knows subjects, and pages know cars."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import template

from fleet.models import Vehicle
from fleet.words import car_name

register = template.Library()


@register.simple_tag
def car_names(invoices: Iterable[Any]) -> dict[UUID, str]:
    """Return the name of each invoice's car with the end of its VIN, by subject; one query."""
    wanted = {invoice.subscription.subject_id for invoice in invoices}
    cars = Vehicle.objects.filter(id__in=wanted - {None})
    return {car.id: f"{car_name(car)} …{car.vin[-6:]}" for car in cars}


@register.filter
def named(names: dict[UUID, str], subject_id: UUID | None) -> str:
    """Look a car up; one that is not known has no name."""
    return names.get(subject_id, "") if subject_id else ""
