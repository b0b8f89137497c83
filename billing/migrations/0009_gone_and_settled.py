"""Customers that Stripe has deleted, and abandoned pages of which everything is known."""

from typing import Any

from django.db import migrations, models


def forget_the_settled(apps: Any, _schema_editor: Any) -> None:
    """Take out of the sweep's reach the abandoned pages whose subscription is known."""
    checkouts = apps.get_model("billing", "Checkout").objects
    checkouts.filter(state="abandoned", subscription__isnull=False).update(check_at=None)


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_charges_ahead")]
    operations = [
        migrations.AddField(
            model_name="customer",
            name="gone_at",
            field=models.DateTimeField(
                blank=True, help_text="When we learned that it was deleted at Stripe.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="checkout",
            name="check_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(forget_the_settled, migrations.RunPython.noop),
    ]
