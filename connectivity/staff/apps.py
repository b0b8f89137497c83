"""Puts our own site in the place of Django's admin site, and makes the groups of staff."""

from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class StaffAdminConfig(AdminConfig):
    """Django's admin, behind our own door."""

    default = False
    default_site = "connectivity.staff.site.StaffSite"

    def ready(self) -> None:
        """Take over from django-allauth; make the groups whenever there may be new permissions."""
        super().ready()
        from django.contrib.admin import site

        from connectivity.staff import groups, sign_in

        sign_in.register(site)
        post_migrate.connect(groups.grant, dispatch_uid="connectivity.staff.groups")
