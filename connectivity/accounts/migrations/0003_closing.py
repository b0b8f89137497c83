"""When an account began to close, and when it was closed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_sign_in_limits")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="closing_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="closing since"
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="closed_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="closed at"
            ),
        ),
    ]
