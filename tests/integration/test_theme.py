"""Light, dark, or as the device says: written into each page by the server, without a script."""

import re

import pytest
from django.conf import settings
from django.test import Client

pytestmark = pytest.mark.django_db


def look(client: Client) -> tuple[str, str, list[str]]:
    """What a page says of its colours: on <html>, to the browser, and which button is pressed."""
    page = client.get("/").content.decode()
    [html] = re.findall(r"<html [^>]*>", page)
    [scheme] = re.findall(r'name="color-scheme" content="([^"]*)"', page)
    chosen = re.findall(r'name="theme" value="(\w+)" aria-pressed="true"', page)
    return html, scheme, chosen


def test_a_choice_is_in_the_next_page_and_can_be_taken_back(client: Client) -> None:
    assert look(client) == ('<html lang="en">', "light dark", ["device"])

    answer = client.post("/theme/", {"theme": "dark", "next": "/accounts/login/?next=/garage/"})

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/accounts/login/?next=/garage/",
    )
    cookie = answer.cookies[settings.THEME_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert look(client) == ('<html lang="en" data-theme="dark">', "dark", ["dark"])

    client.post("/theme/", {"theme": "device"})
    assert look(client) == ('<html lang="en">', "light dark", ["device"])


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "", "data:"])
def test_a_choice_leads_nowhere_else(client: Client, elsewhere: str) -> None:
    answer = client.post("/theme/", {"theme": "light", "next": elsewhere})

    assert answer.headers["Location"] == "/"


def test_what_is_no_theme_changes_nothing(client: Client) -> None:
    client.cookies[settings.THEME_COOKIE_NAME] = '"><script>'

    answer = client.post("/theme/", {"theme": "pink"})

    assert (answer.status_code, answer.content) == (
        400,
        b"theme: it is one of dark, device, light\n",
    )
    assert look(client)[1:] == ("light dark", ["device"])
    assert client.get("/theme/").status_code == 405
