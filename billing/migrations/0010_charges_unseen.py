"""Which charge was looked at when it came near, so that no round looks at it again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0009_gone_and_settled'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='subscription',
            name='subscription_trial_ends',
        ),
        migrations.RemoveIndex(
            model_name='subscription',
            name='subscription_year_ends',
        ),
        migrations.AddField(
            model_name='subscription',
            name='reminded_for',
            field=models.DateTimeField(blank=True, help_text='The charge that was looked at when it came near.', null=True),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('ends_at__isnull', True), ('status', 'trialing'), models.Q(('reminded_for__isnull', True), ('reminded_for__lt', models.F('trial_ends_at')), _connector='OR')), fields=['trial_ends_at'], name='subscription_trial_ends'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('ends_at__isnull', True), ('interval', 'year'), models.Q(('reminded_for__isnull', True), ('reminded_for__lt', models.F('paid_through')), _connector='OR')), fields=['paid_through'], name='subscription_year_ends'),
        ),
    ]
