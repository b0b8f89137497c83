"""The door to the staff's pages: signed in as any owner is, staff, and with a second factor."""

from typing import Any
from urllib.parse import urlencode

from allauth.account.utils import get_next_redirect_url
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from billing import clock
from connectivity.staff import second_factor
from connectivity.stalls import stalls


class StaffSite(AdminSite):
    """Django's admin with our own way in, and a banner where something stands still."""

    site_title = "Staff"
    site_header = "Premium Connectivity: staff"
    index_title = "What there is"

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff, who have shown a passkey or another second factor in this session."""
        return super().has_permission(request) and second_factor.was_shown(request)

    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 -- the signature is Django's
    ) -> HttpResponse:
        """Send people to the one sign-in that there is, or say which second factor is missing."""
        wanted = get_next_redirect_url(request) or reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(wanted)
        back = urlencode({"next": wanted})
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('account_login')}?{back}")
        if not super().has_permission(request):
            raise PermissionDenied
        confirm = f"{second_factor.page_to_show_it(request)}?{back}"
        context = {"exists": second_factor.exists(request), "confirm": confirm}
        return render(request, "admin/second_factor.html", context, status=403)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the time by our clock, and what stands still."""
        now = clock.now()
        standing_still = stalls(now) if self.has_permission(request) else []
        return {**super().each_context(request), "server_time": now, "stalls": standing_still}
