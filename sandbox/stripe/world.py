"""Puts the stand-in together: its store, its clock's due actions, its webhooks, its faults."""

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.stripe.due import Runner, next_due
from sandbox.stripe.effects import (
    checkout,
    collecting,
    cycle,
    discounting,
    invoicing,
    pausing,
    pending,
    resuming,
    standing,
    timetable,
)
from sandbox.stripe.faults import Faults
from sandbox.stripe.meter import Meter
from sandbox.stripe.objects.event import webhook_endpoint
from sandbox.stripe.recording import Recorder
from sandbox.stripe.store import Store
from sandbox.stripe.webhooks import Deliverer, Send

_ACTIONS = {
    checkout.EXPIRE: checkout.expire,
    discounting.END_CODE: discounting.end_code,
    discounting.END_COUPON: discounting.end_coupon,
    discounting.END_DISCOUNT: discounting.end_discount,
    timetable.TURN: cycle.turn,
    invoicing.CHARGE: cycle.charge,
    invoicing.RETRY: collecting.retry,
    pending.EXPIRE: pending.expire,
    pausing.EXPIRE: resuming.expire,
    standing.LAPSE: standing.lapse,
    cycle.WARN: cycle.warn,
}


class World:
    """One Stripe account that exists on this machine only."""

    def __init__(self, config: Config, send: Send | None = None) -> None:
        self.clock = Clock(config.clock_file)
        self.store = Store(
            config.data_dir / "stripe.sqlite3",
            clock=self.clock.now,
            public_url=config.public_url,
            durable=config.durable,
        )
        self.recorder = Recorder(config.record)
        self.runner = Runner(self.store, self.clock.now, _ACTIONS)
        self.deliverer = Deliverer(self.store, self.clock.now, self.recorder, send)
        self.faults = Faults()
        self.meter = Meter()
        self._listen_for(config.webhook_url, config.webhook_secret)

    def next_due(self) -> int | None:
        """The instant at which time alone next brings something about, by the sandbox's clock."""
        with self.store.reading() as tx:
            return next_due(tx)

    def start(self) -> None:
        """Begin to apply what falls due and to deliver events."""
        self.runner.start()
        self.deliverer.start()

    def stop(self) -> None:
        """Stop both; whatever is unfinished goes on after the next start.

        Calls have to be answered until then: who is told of an event asks about it.
        """
        self.runner.stop()
        self.deliverer.stop()

    def _listen_for(self, url: str | None, secret: str | None) -> None:
        """Have the one endpoint that the environment names, whatever it named last time."""
        with self.store.writing() as tx:
            named = [
                endpoint
                for endpoint in tx.select("webhook_endpoint")
                if tx.private(endpoint["id"]).get("from_environment")
            ]
            for endpoint in named[1:] if url else named:
                tx.delete({**endpoint, "deleted": True})
            if not url:
                return
            if not named:
                named = [tx.insert(webhook_endpoint(tx, url=url, enabled_events=["*"]))]
            tx.change(named[0], url=url)
            tx.save_private(named[0]["id"], {"secret": secret, "from_environment": True})
