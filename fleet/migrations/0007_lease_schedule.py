"""Which key signs leases from when."""

from django.db import migrations, models

import billing.clock


class Migration(migrations.Migration):
    dependencies = [("fleet", "0006_first_pace")]
    operations = [
        migrations.CreateModel(
            name="LeaseSchedule",
            fields=[
                ("revision", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "content",
                    models.JSONField(
                        help_text="Public halves only; seeds are in the environment."
                    ),
                ),
                ("at", models.DateTimeField(default=billing.clock.now)),
            ],
            options={"ordering": ("-revision",)},
        ),
    ]
