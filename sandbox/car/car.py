"""Decides what one car does next: get a token, ask for a code, check, adopt, report, wait; it must
never know how many other cars there are, nor how its screen looks.
"""

import asyncio
import dataclasses
import datetime as dt
import math
import random
from collections.abc import Awaitable, Callable

from sandbox.car import answers, protocol
from sandbox.car import lease as leases
from sandbox.car.answers import Answer, Kind, SetbackError
from sandbox.car.conversation import Conversation
from sandbox.car.errand import Errand
from sandbox.car.holding import Holding
from sandbox.car.notebook import Notebook
from sandbox.car.storage import APPLIED, FAILED, Memory, Report, Storage, Switches
from sandbox.car.timekeeping import CarClock, Seconds
from sandbox.car.wire import Wire

_KEYS_GOOD_FOR = 86_400.0


class HungUpError(Exception):
    """The car itself has given up a request that the edge held."""


class Car:
    """One car. Call `turn` again and again; what it learns is in `memory`, and on disk."""

    def __init__(
        self,
        vin: str,
        private_key: bytes,
        *,
        audience: str,
        storage: Storage,
        wire: Wire,
        wall: Seconds,
        chance: random.Random,
        patience: int = 0,
    ) -> None:
        """A car that is awake has the edge hold its checks for `patience` seconds."""
        self.vin = vin
        self._patience = patience
        self._asking: asyncio.Future[Answer] | None = None
        self._issuer = audience  # The service goes by one name, as the reader and as the writer.
        self._storage = storage
        self._wire = wire
        self._chance = chance
        self._notebook = Notebook(storage, vin)
        self._holding = Holding(self._notebook, audience)
        self._clock = CarClock(wall, offset=self.memory.clock_offset, floor=self.memory.clock_floor)
        self._edge = Conversation(
            self._notebook,
            private_key,
            audience=audience,
            wire=wire,
            clock=self._clock,
            time_moved=self._move_dues,
        )
        self._switches = Switches()
        self._pairing, self._check, self._report = Errand(), Errand(), Errand()
        self._keys = Errand(due=self.memory.jwks_fetched_at + _KEYS_GOOD_FOR)
        self._repeat_last_report()

    @property
    def memory(self) -> Memory:
        """What the car knows now."""
        return self._notebook.memory

    def _repeat_last_report(self) -> None:
        # The edge may have lost it in a restore, so each start says it again.
        if self.memory.report:
            self._notebook.note(report=dataclasses.replace(self.memory.report, settled=False))

    async def turn(self) -> None:
        """Does all that is due; never raises for what the edge or the network did."""
        self._notice(self._storage.switches(self.vin))
        if not self._switches.asleep:
            await self._try(self._pairing, self._ask_for_code)
            await self._try(self._check, self._ask_what_it_may)
            if self.memory.jwks:
                await self._try(self._keys, self._fetch_keys)
            # Held or not is asked at the last moment: the button may have been pressed meanwhile.
            self._notice(self._storage.switches(self.vin))
            await self._try(self._report, self._send_report)
        self._save()

    def rest(self) -> float:
        """Seconds until something is due; infinity while the car sleeps."""
        if self._switches.asleep:
            return math.inf
        dues = [self._check.due]
        if self._wants_code():
            dues.append(self._pairing.due)
        if self._owed_report():
            dues.append(self._report.due)
        if self.memory.jwks:
            dues.append(self._keys.due)
        return max(0.0, min(dues) - self._clock.now())

    @property
    def is_asleep(self) -> bool:
        """Whether the car was asleep when it last looked."""
        return self._switches.asleep

    @property
    def is_waiting(self) -> bool:
        """Whether it has a request open that the edge may hold."""
        return self._asking is not None

    def is_called(self) -> bool:
        """Whether somebody has used the car's switches since it last looked."""
        return self._storage.switches(self.vin) != self._switches

    def check_soon(self) -> None:
        """Somebody has hinted that there is something to ask for."""
        self._check.now()

    def hang_up(self) -> None:
        """Wait no longer for the edge: somebody wants something of the car."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()

    def verdict(self) -> leases.Verdict:
        """What the car may do now by its lease alone, online or not."""
        return self._holding.verdict(self._clock.now())

    def _notice(self, switches: Switches) -> None:
        before, self._switches = self._switches, switches
        self._edge.signal = not switches.no_signal
        pressed = switches.pairing_presses > before.pairing_presses
        woken = before.asleep and not switches.asleep
        if pressed:
            self._pairing.now()
        if pressed or woken or before.no_signal != switches.no_signal:
            self._check.now()
        if before.reports_held != switches.reports_held:
            self._report.now()

    async def _try(self, errand: Errand, action: Callable[[], Awaitable[None]]) -> None:
        if self._clock.now() < errand.due:
            return
        try:
            await action()
        except SetbackError as setback:
            errand.put_off(self._clock.now(), setback, self._chance)
            self._notebook.note(problem=setback.words, problem_kind=setback.kind.value)

    def _move_dues(self, seconds: float) -> None:
        # What was put off was put off by a clock that has just turned out wrong.
        for errand in (self._pairing, self._check, self._report, self._keys):
            errand.due += seconds

    def _wants_code(self) -> bool:
        return self._switches.pairing_presses > self.memory.pairing_answered

    async def _ask_for_code(self) -> None:
        presses = self._switches.pairing_presses
        if not self._wants_code():
            return
        try:
            code = answers.on_pairing(await self._edge.ask_with_token(self._wire.pairing))
        except SetbackError as setback:
            if setback.kind is not Kind.REFUSED:
                raise
            self._notebook.note(
                pairing_code="", pairing_problem=setback.words, pairing_answered=presses
            )
        else:
            self._notebook.note(
                pairing_code=code.value,
                pairing_expires_at=self._clock.now() + code.expires_in,
                pairing_problem="",
                pairing_answered=presses,
            )
        self._pairing.done()

    async def _ask_what_it_may(self) -> None:
        # Without a lease that holds, "not modified" would leave the car with nothing.
        etag = self.memory.etag if self._holding.good(self._clock.now()) else ""
        try:
            answer = await self._asked(etag)
        except HungUpError:
            self._check.now()
            return
        step = self._judge(answer)
        if isinstance(step, protocol.Refuse) and step.reason == leases.Reason.UNKNOWN_KEY:
            await self._fetch_keys_or_wait(answer.poll_after)
            step = self._judge(answer)
        self._take(step)
        settled = isinstance(step, protocol.Keep | protocol.Adopt)
        again = 0.0 if settled and answer.was_held else answer.poll_after
        self._check.done(self._clock.now() + again)

    async def _asked(self, etag: str) -> Answer:
        """The edge's answer, which it may hold while the car has nothing else to do."""
        busy = not etag or self._wants_code() or self._owed_report()
        wait = 0 if busy else self._patience
        asking = asyncio.ensure_future(self._edge.ask_with_token(self._wire.check, etag, wait))
        self._asking = asking if wait else None
        try:
            return await asking
        except asyncio.CancelledError:
            if self._asking is None and wait:
                raise HungUpError from None
            raise
        finally:
            self._asking = None

    def _judge(self, answer: Answer) -> protocol.Step:
        memory = self.memory
        held = protocol.Held(
            self.vin, self._issuer, memory.version, memory.catalog, self._holding.keys()
        )
        return protocol.on_check(answer, held, self._clock.now())

    def _take(self, step: protocol.Step) -> None:
        self._notebook.note(problem="", problem_kind="")
        if isinstance(step, protocol.Adopt):
            self._adopt(step)
        elif isinstance(step, protocol.Refuse):
            self._notebook.note(problem=step.detail, problem_kind=Kind.REFUSED.value)
            self._owe_report(step.version, step.catalog, FAILED, step.reason)
        elif isinstance(step, protocol.Outdated):
            self._notebook.note(problem=step.detail, problem_kind=Kind.REFUSED.value)

    def _adopt(self, step: protocol.Adopt) -> None:
        document = step.document
        self._clock.witness(step.lease.issued_at)
        self._notebook.note(
            version=document.version,
            catalog=document.catalog,
            document=dict(document.raw),
            etag=step.etag or "",
            lease=document.lease,
        )
        self._holding.adopt(step.lease)
        self._owe_report(document.version, document.catalog, APPLIED, "")

    def _owe_report(self, version: int, catalog: int, result: str, reason: str) -> None:
        report = Report(version, catalog, result, reason, at=self._clock.now())
        if self.memory.report is None or not self.memory.report.makes_needless(report):
            self._notebook.note(report=report)
            self._report.now()

    def _owed_report(self) -> Report | None:
        report = self.memory.report
        held_back = report is None or report.settled or self._switches.reports_held
        return None if held_back else report

    async def _send_report(self) -> None:
        report = self._owed_report()
        if report is None:
            return
        body = {
            "version": report.version,
            "catalog": report.catalog,
            "result": report.result,
            "reason": report.reason,
            "at": dt.datetime.fromtimestamp(int(report.at), dt.UTC).isoformat(),
        }
        refused = protocol.on_report(await self._edge.ask_with_token(self._wire.report, body))
        self._notebook.note(report=dataclasses.replace(report, settled=True))
        if refused:
            self._notebook.note(problem=refused, problem_kind=Kind.REFUSED.value)
        self._report.done()

    async def _fetch_keys_or_wait(self, poll_after: float) -> None:
        try:
            await self._fetch_keys()
        except SetbackError as setback:
            # The check itself was answered, so its next one comes no sooner than it was told.
            at_least = max(setback.at_least, poll_after)
            raise SetbackError(setback.words, setback.kind, at_least=at_least) from None

    async def _fetch_keys(self) -> None:
        jwks = answers.on_keys(await self._edge.ask(self._wire.keys))
        self._notebook.note(jwks=jwks, jwks_fetched_at=self._clock.now())
        self._keys.done(self._clock.now() + _KEYS_GOOD_FOR)
        if self.memory.lease and self._holding.signed() is None:
            # A key that is no longer published voids the leases under it.
            self._notebook.note(lease="", etag="")
            self._check.now()

    def _save(self) -> None:
        self._notebook.note(
            clock_offset=self._clock.offset,
            clock_floor=self._clock.floor,
            next_check_at=0 if self._switches.asleep else self._check.due,
        )
        self._notebook.save()
