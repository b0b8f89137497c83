"""When the last address of a closed account was forgotten, and what the sweep looks for all day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_closing")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="forgotten_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When no mail had the address any more.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", True), ("closing_at__isnull", False)),
                fields=["closing_at"],
                name="account_closing",
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", False), ("forgotten_at__isnull", True)),
                fields=["closed_at"],
                name="account_to_forget",
            ),
        ),
    ]
