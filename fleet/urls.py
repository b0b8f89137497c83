"""The garage's addresses, under `/garage/`."""

from django.urls import path

from fleet import views

app_name = "garage"
urlpatterns = [
    path("", views.garage_list, name="list"),
    path("add/", views.add, name="add"),
    path("<uuid:vehicle_id>/", views.car, name="car"),
    path("<uuid:vehicle_id>/status/", views.status, name="status"),
    path("<uuid:vehicle_id>/subscribe/", views.subscribe, name="subscribe"),
    path("<uuid:vehicle_id>/cancel/", views.cancel, name="cancel"),
    path("<uuid:vehicle_id>/keep/", views.keep, name="keep"),
    path("<uuid:vehicle_id>/release/", views.release, name="release"),
    path("<uuid:vehicle_id>/claims/<int:claim_id>/object/", views.object_to, name="object"),
]
