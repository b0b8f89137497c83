"""The pages of law: how contracts end without signing in, terms, one's own data.

It must never declare anything: a declaration here is a row that is rolled back.
"""

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from connectivity.law import declarations
from connectivity.law.models import Declaration
from connectivity.specimens.account import just_signed_in
from connectivity.specimens.registry import Group, Shown, at

states = Group("Law")


def _public(title: str, name: str, **more: Any) -> None:
    states.add(title, lambda _owner, _now: at(f"law:{name}", signed_in=False, **more))


for _page in ("cancel", "withdraw"):
    _public(_page, _page)
    _public(f"{_page}, nothing typed", _page, data={"name": "", "email": "-"})
for _page in ("terms", "privacy", "accessibility", "imprint"):
    _public(_page, _page)
states.add("cancel, signed in", lambda _owner, _now: at("law:cancel"))


def _declaration(kind: str, state: str, now: datetime) -> Declaration:
    return Declaration.objects.create(
        form=uuid.uuid4(),
        kind=kind,
        state=state,
        name="A. Owner",
        email="owner@made-up.test",
        reference="5YJ3E1EA0KF000316",
        language="en",
        received_at=now,
        act_at=now,
    )


def _receipt(kind: str) -> None:
    def build(_owner: Any, now: datetime) -> Shown:
        made = _declaration(kind, Declaration.State.RECEIVED, now)
        context = {"facts": declarations.facts_of(made), "kind": kind}

        def answer(request: HttpRequest) -> HttpResponse:
            return render(request, "law/receipt.html", context)

        return at("law:cancel", signed_in=False, answer=answer)

    states.add(f"receipt of {kind}", build)


def _declared(state: str) -> None:
    def build(_owner: Any, now: datetime) -> Shown:
        made = _declaration(Declaration.Kind.WITHDRAW, state, now)
        return at("law:declared", declarations.token_of(made), signed_in=False)

    states.add(f"declared, {state}", build)


for _kind in Declaration.Kind.values:
    _receipt(_kind)
for _state in Declaration.State.values:
    _declared(_state)


@states.state("my data")
def _data(owner: Any, _now: datetime) -> Shown:
    return at("law:data", session=just_signed_in(owner))


@states.state("my data, long after signing in")
def _data_later(_owner: Any, _now: datetime) -> Shown:
    return at("law:data")
