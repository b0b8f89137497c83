"""Applies what falls due by the sandbox's clock: in time order, each at its own instant."""

import logging
import threading
from collections.abc import Callable, Mapping

from sandbox.stripe import clocks
from sandbox.stripe.store import Store, Transaction

Action = Callable[[Transaction, str], None]

log = logging.getLogger(__name__)


def schedule(tx: Transaction, action: str, subject: str, *, due_at: int) -> None:
    """Have an action done to an object at an instant; a later call moves the instant."""
    tx.db.execute(
        "INSERT INTO due_actions (due_at, action, subject, clock) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (action, subject) DO UPDATE SET due_at = excluded.due_at",
        (due_at, action, subject, tx.test_clock),
    )


def unschedule(tx: Transaction, action: str, subject: str) -> None:
    """Do not do it after all."""
    tx.db.execute("DELETE FROM due_actions WHERE action = ? AND subject = ?", (action, subject))


def next_due(tx: Transaction, test_clock: str | None = None) -> int | None:
    """The instant of the next action by the sandbox's clock, or by a test clock."""
    row = tx.db.execute(
        "SELECT min(due_at) FROM due_actions WHERE clock IS ?", (test_clock,)
    ).fetchone()
    return None if row[0] is None else int(row[0])


class Runner:
    """Does due actions: in a thread that watches the clock, and before each request."""

    def __init__(
        self, store: Store, clock: Callable[[], int], actions: Mapping[str, Action]
    ) -> None:
        self._store = store
        self._clock = clock
        self._actions = actions
        self._catching_up = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sandbox-due", daemon=True)

    def start(self) -> None:
        """Begin to watch the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the action that is being done."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def catch_up(self) -> None:
        """Do all that is due, so that who asks next sees the state of this instant."""
        with self._catching_up:
            while self._do_next() or self._advance():
                pass

    def _do_next(self) -> bool:
        with self._store.reading() as tx:
            due = tx.db.execute(
                "SELECT id, due_at FROM due_actions WHERE clock IS NULL AND due_at <= ? "
                "ORDER BY due_at, id LIMIT 1",
                (self._clock(),),
            ).fetchone()
        if due is None:
            return False
        with self._store.writing(now=due[1]) as tx:
            self._do(tx, due)
        return True

    def _advance(self) -> bool:
        """Do the next thing that a test clock brings on its way, or let it arrive."""
        with self._store.reading() as tx:
            if not clocks.advancing(tx):
                return False
        with self._store.writing() as tx:
            for clock in clocks.advancing(tx):
                due = tx.db.execute(
                    "SELECT id, due_at FROM due_actions WHERE clock = ? AND due_at <= ? "
                    "ORDER BY due_at, id LIMIT 1",
                    (clock["id"], clocks.target_of(clock)),
                ).fetchone()
                if due is None:
                    clocks.arrive(tx, clock)
                else:
                    tx.change(clock, frozen_time=due[1])
                    tx.live_by(clock["id"], due[1])
                    self._do(tx, due)
                return True
        return False

    def _do(self, tx: Transaction, due: tuple[int, int]) -> None:
        row = tx.db.execute(
            "DELETE FROM due_actions WHERE id = ? AND due_at = ? RETURNING action, subject", due
        ).fetchone()
        if row is not None:
            self._actions[row[0]](tx, row[1])

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            try:
                self.catch_up()
            except Exception:
                log.exception("A due action failed; it is tried again.")
