"""What a request asks for with `Prefer: wait` (RFC 7240)."""

import pytest

from fleet.api import holding


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (b"wait=10", 10),
        (b"Wait=10", 10),
        (b"wait = 7", 7),
        (b'wait="7"', 7),
        (b"respond-async, wait=10", 10),
        (b"wait=10; x=1, respond-async", 10),
        (b"wait=5, wait=40", 5),
        (b"wait=50", 50),
        (b"wait=51", 50),
        (b"wait=999999999", 50),
        (b"wait=0", 0),
        (b"", 0),
        (b"wait", 0),
        (b"wait=", 0),
        (b"wait=-1", 0),
        (b"wait=1.5", 0),
        (b"wait=ten", 0),
        (b"await=10", 0),
        (b"wait=99999999999999999999", 0),
        (b"\xff\xfe", 0),
    ],
)
def test_how_long_a_request_asks_to_be_held(prefer: bytes, seconds: int) -> None:
    assert holding.asked_for(prefer) == seconds
