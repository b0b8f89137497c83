"""Held requests: an answer that waits until there is something to say (contract: Held requests).

`Prefer: wait=N` (RFC 7240) asks for it. An answer that says `Preference-Applied: wait` was waited
for, and its car may ask again at once; any other says with `Poll-After` when. It must never know
what a car is told.
"""

import functools
import random
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fleet.api import check
from fleet.api.check import Answer, Asked
from fleet.desk import Desk
from fleet.waiting import Hold

MOST = 50  # seconds: below what the networks between a car and us keep an idle connection for
SHORTER = 0.1  # of a wait, at random, so that cars that came together do not come back together
RETURN = (1, 15)  # seconds until a car comes back whose edge is about to end
UNCHANGED = int(HTTPStatus.NOT_MODIFIED)
# RFC 7240, section 2: a list of preferences, of which the first of a name counts.
WAIT = re.compile(rb'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=[,;]|$)', re.IGNORECASE)
POLL = b"poll-after: %d\r\n"
APPLIED = b"preference-applied: wait=%d\r\n"

Watch = Callable[[Callable[[], None] | None], None]


def asked_for(prefer: bytes) -> int:
    """For how many seconds a request with these preferences may be held; 0: not at all."""
    found = WAIT.search(prefer)
    return min(int(found[1]), MOST) if found else 0


async def answer(
    desk: Desk,
    authorization: bytes,
    tags: bytes,
    asked: Callable[[], Asked],
    *,
    seconds: int,
    clock: Callable[[], float],
    watch: Watch,
) -> Answer:
    """Answer at once if there is something to say, or else when there is or `seconds` are over.

    `watch` is to call what it is given once nobody waits any more or the server is to end.
    """
    ask = functools.partial(check.answer, desk, authorization, tags, asked)
    found = await ask(now=int(clock()))
    caller = desk.callers.get(authorization)
    if found[0] != UNCHANGED or caller is None or not caller.may_wait:
        return found
    hold = desk.waiting.hold(caller.vehicle_id.bytes)
    watch(hold.end)
    try:
        found = await _held(desk, hold, ask, authorization, seconds, clock)
    finally:
        watch(None)
        desk.waiting.leave(hold)
    if hold.ended:
        return found
    status, head, body = found
    return status, head + APPLIED % seconds, body


async def _held(
    desk: Desk,
    hold: Hold,
    ask: Callable[..., Awaitable[Answer]],
    authorization: bytes,
    seconds: int,
    clock: Callable[[], float],
) -> Answer:
    """Read the facts again whenever something has changed, and first of all.

    So no change falls between the first reading and the moment from which it would wake the car.
    """
    loop = desk.site.loop
    ends_at = loop.time() + seconds * random.uniform(1 - SHORTER, 1)  # noqa: S311 -- jitter
    while True:
        found = await ask(now=int(clock()), counted=False)
        caller = desk.callers.get(authorization)
        left = ends_at - loop.time()
        # What a site that is away could not say has no end that is known, and is not held.
        if found[0] != UNCHANGED or caller is None or not caller.until or left <= 0:
            return found
        # An end that has come since it was read about is read about again, at once.
        await hold.sleep(min(left, max(0.0, caller.until - clock())))
        if hold.ended:
            return UNCHANGED, check.NAME % caller.etag + POLL % random.randint(*RETURN), b""  # noqa: S311 -- jitter
