"""Addresses at the edge: what a car calls, and what its keepers ask of the process."""

from django.urls import path

from connectivity import health, metrics
from fleet.api import vehicle

urlpatterns = [
    path("vehicle/v1/token", vehicle.TokenView.as_view()),
    path("vehicle/v1/pairing", vehicle.PairingView.as_view()),
    path("vehicle/v1/entitlement", vehicle.EntitlementView.as_view()),
    path("vehicle/v1/entitlement/report", vehicle.ReportView.as_view()),
    path("vehicle/v1/keys", vehicle.KeysView.as_view()),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
]
handler400 = "fleet.api.problems.bad_request"
handler404 = "fleet.api.problems.not_found"
handler500 = "fleet.api.problems.server_error"
