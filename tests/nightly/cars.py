"""Cars that wait at an edge, take what they are told and report it, whatever dies meanwhile.

Each remembers what it was told and what it has said, so that others can hold it against the rows.
"""

import asyncio
import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

from billing import clock

WAIT = 20  # seconds for which a check is held
FAILING = 50  # one version of so many cannot be applied
REASON = "no room left for maps"
AWAY = (aiohttp.ClientError, TimeoutError, OSError)
LATER = (429, 503)


@dataclass
class Car:
    """What one car holds, and what it has said of each version, as far as it was answered 204."""

    id: UUID
    token: str
    dice: random.Random
    etag: str = '"0.0.0.0"'
    document: dict[str, Any] = field(default_factory=dict)
    said: dict[int, str] = field(default_factory=dict)

    @property
    def held(self) -> tuple[int, int]:
        """Version and catalogue."""
        return self.document.get("version", 0), self.document.get("catalog", 0)


class Cars(threading.Thread):
    """A fleet on the road, in an event loop of its own."""

    def __init__(self, port: str, tokens: Mapping[UUID, str]) -> None:
        super().__init__(name="cars")
        self.edge = f"http://127.0.0.1:{port}/vehicle/v1/entitlement"
        self.all = {
            one: Car(one, token, random.Random(at))
            for at, (one, token) in enumerate(tokens.items())
        }
        self.over = threading.Event()
        self.answers = Counter[str]()
        self.wrong: list[str] = []

    def run(self) -> None:
        """Drive until it is over."""
        asyncio.run(self._drive_all())

    def stop(self) -> None:
        """Let each end."""
        self.over.set()
        self.join()

    async def _drive_all(self) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        patience = aiohttp.ClientTimeout(total=WAIT + 15)
        async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
            tasks = [asyncio.create_task(self._drive(session, car)) for car in self.all.values()]
            await asyncio.to_thread(self.over.wait)
            for each in tasks:
                each.cancel()
            for end in await asyncio.gather(*tasks, return_exceptions=True):
                if not isinstance(end, asyncio.CancelledError):
                    self.wrong.append(f"a car broke down: {end!r}")

    async def _drive(self, session: aiohttp.ClientSession, car: Car) -> None:
        await asyncio.sleep(car.dice.uniform(0, 3))
        while True:
            try:
                news = await self._check(session, car)
                if news:
                    await self._report(session, car)
            except AWAY as error:
                self.answers[f"check: {type(error).__name__}"] += 1
                await asyncio.sleep(car.dice.uniform(0.2, 1.5))

    async def _check(self, session: aiohttp.ClientSession, car: Car) -> bool:
        """Ask, and adopt what is new; return whether anything was."""
        headers = {
            "Authorization": f"Bearer {car.token}",
            "If-None-Match": car.etag,
            "Prefer": f"wait={WAIT}",
        }
        async with session.get(self.edge, headers=headers) as answer:
            body = await answer.read()
        self.answers[f"check: {answer.status}"] += 1
        if answer.status == 200:
            return self._adopt(car, json.loads(body), answer.headers["ETag"])
        if answer.status in LATER:
            await asyncio.sleep(car.dice.uniform(0.2, 1.5))
        elif answer.status != 304:
            self.wrong.append(f"{car.id} was answered {answer.status}: {body.decode()[:200]}")
            await asyncio.sleep(1)
        return False

    def _adopt(self, car: Car, document: dict[str, Any], etag: str) -> bool:
        """Take a document as contract.md wants it: neither component may be lower."""
        told, before = (document["version"], document["catalog"]), car.held
        if told[0] < before[0] or told[1] < before[1]:
            self.wrong.append(f"{car.id} holds {before} and was sent back to {told}")
            return False
        if etag == car.etag:
            self.wrong.append(f"{car.id} was told {etag} in full, which it holds")
        car.document, car.etag = document, etag
        return told != before

    async def _report(self, session: aiohttp.ClientSession, car: Car) -> None:
        """Say what became of it, until somebody has heard it."""
        version, catalog = car.held
        result = "failed" if hash((car.id, version)) % FAILING == 0 else "applied"
        said = {
            "version": version,
            "catalog": catalog,
            "result": result,
            "reason": REASON if result == "failed" else "",
            "at": clock.now().isoformat(),
        }
        headers = {"Authorization": f"Bearer {car.token}"}
        for _ in itertools.count():
            try:
                async with session.put(f"{self.edge}/report", json=said, headers=headers) as answer:
                    body = await answer.read()
                self.answers[f"report: {answer.status}"] += 1
                if answer.status not in LATER:
                    break
            except AWAY as error:
                self.answers[f"report: {type(error).__name__}"] += 1
            await asyncio.sleep(car.dice.uniform(0.3, 1.5))
        if answer.status == 204:
            car.said[version] = result
        else:
            self.wrong.append(f"{car.id}'s report was answered {answer.status}: {body!r:.200}")
