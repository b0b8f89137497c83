"""Decides how a car gets an answer: its token, its one second try with the right time; it must
never know what is asked, nor what follows from the answer.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.car import answers, keys
from sandbox.car.answers import Answer, Kind, SetbackError
from sandbox.car.notebook import Notebook
from sandbox.car.timekeeping import CarClock
from sandbox.car.wire import Wire

# A car renews its token a little before the end, so that no check is spent on finding out.
_TOKEN_MARGIN = 60.0
# A refusal is blamed on the car's clock only if the clock is this many seconds off.
_DRIFT_WORTH_CORRECTING = 60.0

Call = Callable[..., Awaitable[Answer]]


class Conversation:
    """One car's line to the edge; `signal` says whether the modem has a network.

    `time_moved` hears by how many seconds the car's time has just been corrected.
    """

    def __init__(
        self,
        notebook: Notebook,
        private_key: bytes,
        *,
        audience: str,
        wire: Wire,
        clock: CarClock,
        time_moved: Callable[[float], None],
    ) -> None:
        self._notebook = notebook
        self._private_key = private_key
        self._audience = audience
        self._wire = wire
        self._clock = clock
        self._time_moved = time_moved
        self.signal = True

    async def ask(self, call: Call, *arguments: Any) -> Answer:
        """The answer to a call that needs no token; raises SetbackError where none came."""
        if not self.signal:
            raise SetbackError("This car has no signal.", Kind.NO_SIGNAL)
        answer = await call(*arguments)
        self._clock.witness(answer.date)
        self._notebook.note(last_contact_at=self._clock.now())
        return answer

    async def ask_with_token(self, call: Call, *arguments: Any) -> Answer:
        """The answer to a call whose first argument is a token; a 401 earns one fresh token."""
        answer = await self.ask(call, await self._token(), *arguments)
        if answer.status == 401:
            answer = await self.ask(call, await self._new_token(), *arguments)
        return answer

    async def _token(self) -> str:
        memory = self._notebook.memory
        if memory.token and self._clock.now() < memory.token_expires_at - _TOKEN_MARGIN:
            return memory.token
        try:
            return await self._new_token()
        except SetbackError as setback:
            # An edge that cannot issue tokens just now may still honour one that has expired.
            if memory.token and setback.kind is Kind.BUSY:
                return memory.token
            raise

    async def _new_token(self) -> str:
        signed_at = self._clock.now()
        answer = await self.ask(self._wire.token, self._assertion())
        if self._time_was_wrong(answer, signed_at):
            answer = await self.ask(self._wire.token, self._assertion())
        token = answers.on_token(answer)
        expires_at = self._clock.now() + token.expires_in
        self._notebook.note(token=token.value, token_expires_at=expires_at)
        return token.value

    def _time_was_wrong(self, answer: Answer, signed_at: float) -> bool:
        """Whether the car, refused, was far from the edge's time; it has taken that time if so."""
        date = answer.date
        if answer.status not in (400, 401) or date is None:
            return False
        if abs(date - signed_at) <= _DRIFT_WORTH_CORRECTING:
            return False
        before = self._clock.now()
        self._clock.correct(date)
        self._time_moved(self._clock.now() - before)
        return True

    def _assertion(self) -> str:
        return keys.assertion(
            self._private_key,
            vin=self._notebook.vin,
            audience=self._audience,
            now=self._clock.now(),
        )
