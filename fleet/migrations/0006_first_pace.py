"""The pace that is in force at first, so that staff have a row to begin from: nobody's own."""

from typing import Any

from django.db import migrations


def begin(apps: Any, _schema_editor: Any) -> None:
    apps.get_model("fleet", "Pace").objects.get_or_create(revision=1, defaults={"seconds": {}})


class Migration(migrations.Migration):
    dependencies = [("fleet", "0005_snapshots_2")]
    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
