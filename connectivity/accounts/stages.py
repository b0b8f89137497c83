"""Decides who must show a second factor when they sign in; knows nothing of what they may do then.

# Note [A passkey is a way in, not a second lock]
An owner with a passkey may still sign in by an emailed code: somebody on a borrowed phone must
reach their car. Whoever switched on an authenticator app asked for a second factor and is asked
for it. Staff can change other people's cars and are always asked for what they have.
"""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest


class SecondFactorStage(AuthenticateStage):  # type: ignore[misc] # allauth is untyped
    """The step that asks for the second factor."""

    @staticmethod
    def is_for(user: Any) -> bool:
        """Whether this person is asked for more than an emailed code."""
        return bool(user.is_staff or is_mfa_enabled(user, [Authenticator.Type.TOTP]))

    def _should_handle(self, request: HttpRequest) -> bool:
        user = self.login.user
        if user is None or not super()._should_handle(request):
            return False
        return self.is_for(user)
