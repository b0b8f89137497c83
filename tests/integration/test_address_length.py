"""An address that the database would cut is refused, on each form that takes one."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from tests.factories import make_user

pytestmark = pytest.mark.django_db

TAIL = "@" + ".".join(["d" * 60] * 3) + ".com"


def address(length: int) -> str:
    return "o" * (length - len(TAIL)) + TAIL


@pytest.mark.parametrize(("form", "field"), [("signup", "email"), ("login", "login")])
def test_one_that_is_too_long_makes_no_account_and_no_mail(
    client: Client, form: str, field: str
) -> None:
    answer = client.post(f"/accounts/{form}/", {field: address(255)})
    assert "at most 254 characters (it has 255)" in answer.content.decode()
    assert mail.outbox == []
    assert not get_user_model().objects.exists()


def test_an_account_does_not_move_to_one_that_is_too_long(client: Client) -> None:
    client.force_login(make_user("owner@example.com"))
    form = {"email": address(255), "action_add": ""}
    answer = client.post("/accounts/email/", form)
    assert "at most 254 characters" in answer.content.decode()
    assert mail.outbox == []
    assert not EmailAddress.objects.filter(email__startswith="o" * 50).exists()


def test_the_longest_is_kept_whole(client: Client) -> None:
    client.post("/accounts/signup/", {"email": address(254)})
    assert get_user_model().objects.get().email == address(254)
    assert mail.outbox[0].to == [address(254)]
