"""`manage.py sync_catalog`: publishes a catalogue that came with this version, and its prices."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import clock, gateway, offers, queries


class Command(BaseCommand):
    """Safe to repeat."""

    help = "Publishes the catalogue of this version and has Stripe know its prices; safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run it."""
        offers.publish_shipped(now=clock.now())
        sold = queries.catalog()
        try:
            made = offers.sync(sold)
        except gateway.StripeAway as error:
            raise CommandError(f"Stripe does not answer: {error} Run it again later.") from error
        except gateway.StripeRefused as error:
            raise CommandError(f"Stripe refuses: {error} Check STRIPE_SECRET_KEY.") from error
        done = f"made {', '.join(made)}" if made else "nothing to do"
        self.stdout.write(f"Catalogue {sold.revision}, {len(sold.prices)} prices: {done}.")
