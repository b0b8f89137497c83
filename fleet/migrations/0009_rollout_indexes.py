"""Which reports say that something failed, and what was done to roll-outs, without reading all.

Built beside the writers, who go on meanwhile.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

OF_ROLLOUTS = ("rollout_begun", "rollout_raised", "rollout_halted", "rollout_rolled_back")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("fleet", "0008_rollouts")]
    operations = [
        AddIndexConcurrently(
            "report",
            models.Index(
                fields=["received_at"], condition=models.Q(applied=False), name="report_failed"
            ),
        ),
        AddIndexConcurrently(
            "domainevent",
            models.Index(
                fields=["id"],
                condition=models.Q(kind__in=OF_ROLLOUTS),
                name="fleet_event_of_rollout",
            ),
        ),
    ]
