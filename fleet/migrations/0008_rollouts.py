"""New features on their way to the cars."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0007_lease_schedule'),
    ]

    operations = [
        migrations.CreateModel(
            name='Rollout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('feature', models.CharField(max_length=64)),
                ('name', models.CharField(help_text='As owners read it.', max_length=100)),
                ('plan', models.CharField(max_length=64)),
                ('audience', models.JSONField(default=dict, help_text='Markets, models, hardware that it is for; empty: all.')),
                ('salt', models.CharField(max_length=100)),
                ('share', models.PositiveIntegerField(help_text='Of 10,000; of those that have the plan.')),
                ('state', models.CharField(choices=[('running', 'running'), ('halted', 'halted'), ('rolled_back', 'rolled back')], default='running', max_length=16)),
                ('revision', models.BigIntegerField(help_text='Of the catalogue, by its last change.')),
                ('began_at', models.DateTimeField()),
                ('changed_at', models.DateTimeField()),
                ('counted_at', models.DateTimeField(blank=True, null=True)),
                ('counted_revision', models.BigIntegerField(default=0)),
                ('counted_in', models.FloatField(default=0.0, help_text='Seconds that it took.')),
                ('able', models.IntegerField(default=0, help_text='Cars that it is for, were the share whole.')),
                ('due', models.IntegerField(default=0, help_text='Of these, those in the share.')),
                ('applied', models.IntegerField(default=0)),
                ('failed', models.IntegerField(default=0)),
                ('failures', models.JSONField(default=list, help_text='What the last that failed say: vehicle, reason.')),
            ],
            options={
                'verbose_name': 'roll-out',
            },
        ),
        migrations.AddConstraint(
            model_name='rollout',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'rolled_back'), _negated=True), fields=('feature',), name='one_open_rollout_per_feature'),
        ),
        migrations.AddConstraint(
            model_name='rollout',
            constraint=models.CheckConstraint(condition=models.Q(('share__gte', 1), ('share__lte', 10000)), name='rollout_share_is_one'),
        ),
    ]
