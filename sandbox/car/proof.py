"""Decides whether each car of a fleet has what it should, by asking the service apart from the
cars; it must never know how the car came to it.

A car that is behind is switched on once more, awake and with signal, and judged by what it has
then. Whoever keeps differing is named, with the reason.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sandbox.car import answers, protocol
from sandbox.car import lease as leases
from sandbox.car.answers import Answer, SetbackError
from sandbox.car.driver import Driver
from sandbox.car.storage import APPLIED
from sandbox.car.wire import Wire

_AT_ONCE = 50


@dataclass
class Proof:
    """What came of it: reasons by VIN for those that differ."""

    as_they_stood: int = 0
    after_a_turn: int = 0
    refused: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)

    @property
    def good(self) -> int:
        """How many cars have what they should."""
        return self.as_they_stood + self.after_a_turn + self.refused

    @property
    def judged(self) -> int:
        """How many cars were asked for."""
        return self.good + len(self.wrong)

    def lines(self) -> Iterator[str]:
        """The proof in words, for a terminal."""
        yield f"Proof: {self.good:,} of {self.judged:,} cars have what they should."
        yield f"  as they stood                        {self.as_they_stood:,}"
        yield f"  after they were switched on again    {self.after_a_turn:,}"
        yield f"  refused, for their key is not theirs {self.refused:,}"
        for vin, reasons in self.wrong.items():
            yield f"  WRONG  {vin}: {'; '.join(reasons)}"


class Prover:
    """Judges cars that nobody drives any more, by this wire of its own."""

    tries = 4  # How often a car that is behind is switched on again.

    def __init__(self, wire: Wire, audience: str, proof: Proof, pause: float = 0.5) -> None:
        self._wire = wire
        self._audience = audience
        self._pause = pause
        self._lines = asyncio.Semaphore(_AT_ONCE)
        self._keys: leases.Keys = {}
        self.proof = proof

    async def judge(self, drivers: Sequence[Driver]) -> None:
        """Judges them all. Raises SetbackError where the service does not answer."""
        self._keys = leases.parse_keys(answers.on_keys(await self._wire.keys()))
        await asyncio.gather(*(self._judge(driver) for driver in drivers))

    async def _judge(self, driver: Driver) -> None:
        async with self._lines:
            if driver.habits.forged:
                await self._judge_forger(driver)
                return
            reasons = await self._differs(driver)
            if not reasons:
                self.proof.as_they_stood += 1
                return
            for attempt in range(self.tries):
                await asyncio.sleep(self._pause * attempt)
                await driver.drive_once()
                reasons = await self._differs(driver)
                if not reasons:
                    self.proof.after_a_turn += 1
                    return
            self.proof.wrong[driver.vin] = reasons

    async def _judge_forger(self, driver: Driver) -> None:
        """A car with a key that is not its own must have been refused, and say so."""
        if not _refusals(driver):
            await driver.drive_once()
        reasons = list(_forger(driver))
        if reasons:
            self.proof.wrong[driver.vin] = reasons
        else:
            self.proof.refused += 1

    async def _differs(self, driver: Driver) -> list[str]:
        """What is not as the service says it is now."""
        if driver.error is not None:
            return [f"its driver broke off: {driver.error!r}"]
        try:
            answer = await self._ask(driver)
            document = protocol.Document.parse(answer.json(), driver.vin)
            right = self._read(document.lease, driver.vin)
        except SetbackError as setback:
            said = driver.car.memory.problem or "nothing"
            return [f"nobody could ask for it: {setback.words} The car says: {said}"]
        except (ValueError, leases.LeaseError) as error:
            return [f"what the service says of it now is wrong: {error}"]
        now = answer.date or driver.car.memory.clock_floor
        return [
            *_order(driver, document),
            *self._lease(driver, right, now),
            *_verdict(driver, document, now),
            *_report(driver),
        ]

    async def _ask(self, driver: Driver) -> Answer:
        """What the service says of this car to a question in which its document has no part."""
        token = driver.car.memory.token
        if not token:
            raise SetbackError("It has no token.")
        answer = await self._wire.check(token, "")
        answers.expect(answer, 200)
        return answer

    def _read(self, token: str, vin: str) -> leases.Lease:
        lease = leases.read(token, keys=self._keys, vin=vin)
        lease.check_issuer(self._audience)
        return lease

    def _lease(self, driver: Driver, right: leases.Lease, now: float) -> Iterator[str]:
        """The lease that it holds, by the keys that are published now and the rules of the page."""
        memory = driver.car.memory
        try:
            held = self._read(memory.lease, driver.vin)
            held.check_order(memory.version, memory.catalog)
            held.check_time(now)
        except leases.LeaseError as error:
            yield f"its lease is wrong: {error}"
            return
        if (held.version, held.catalog) != (right.version, right.catalog):
            yield (
                f"its lease is {held.version}.{held.catalog} and should be "
                f"{right.version}.{right.catalog}"
            )
        if set(held.grants) != set(right.grants):
            yield f"its lease grants {held.grants} and should grant {right.grants}"


def _order(driver: Driver, document: protocol.Document) -> Iterator[str]:
    """Nothing went backwards, and nothing that was told since is missing."""
    memory, told = driver.car.memory, driver.told
    yield from told.backwards
    held = (memory.version, memory.catalog)
    if held != (document.version, document.catalog):
        yield f"it holds {held[0]}.{held[1]} and should {document.version}.{document.catalog}"
    if memory.version < told.version or memory.catalog < told.catalog:
        yield f"it holds {held[0]}.{held[1]} and was told {told.version}.{told.catalog} before"


def _verdict(driver: Driver, document: protocol.Document, now: float) -> Iterator[str]:
    """What it allows by itself is what the service would allow."""
    verdict = driver.car.verdict()
    plan, features = document.raw.get("plan"), document.raw.get("features")
    if verdict.plan != plan:
        yield f"it is {verdict.plan} and should be {plan}, at {now:.0f}"
    if sorted(verdict.features) != sorted(features if isinstance(features, list) else []):
        yield f"it allows {sorted(verdict.features)} and should allow {features}"
    if driver.car.memory.document.get("consents") != document.raw.get("consents"):
        yield "its owner's consents are others"


def _report(driver: Driver) -> Iterator[str]:
    """What it holds it has reported, and the service has taken the report."""
    memory = driver.car.memory
    report = memory.report
    if report is None or not report.settled:
        yield "its report was not taken"
    elif (report.version, report.catalog, report.result) != (
        memory.version,
        memory.catalog,
        APPLIED,
    ):
        yield f"it reported {report.version}.{report.catalog} {report.result} {report.reason}"


def _forger(driver: Driver) -> Iterator[str]:
    """A car whose key is not its own."""
    memory, answered = driver.car.memory, driver.told.tokens
    if answered[200] or memory.token:
        yield "its key is not its own, and it got a token"
    if memory.lease or driver.told.version:
        yield "its key is not its own, and it was told something"
    if not _refusals(driver):
        yield f"its key is not its own, and nobody refused it; answers: {dict(answered)}"
    if not memory.problem:
        yield "its key is not its own, and it does not say that it was refused"


def _refusals(driver: Driver) -> int:
    return driver.told.tokens[400] + driver.told.tokens[401]
