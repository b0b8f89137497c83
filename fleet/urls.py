"""The garage's addresses, under `/garage/`."""

from django.urls import path

from fleet.views import car, changing, drivers, garage, learning, paying, transfers

app_name = "garage"
urlpatterns = [
    path("", garage.garage_list, name="list"),
    path("add/", garage.add, name="add"),
    path("add/vin/", garage.read_vin, name="read_vin"),
    path("<uuid:vehicle_id>/", car.car, name="car"),
    path("<uuid:vehicle_id>/status/", car.status, name="status"),
    path("<uuid:vehicle_id>/subscribe/", paying.subscribe, name="subscribe"),
    path("<uuid:vehicle_id>/cancel/", paying.cancel, name="cancel"),
    path("<uuid:vehicle_id>/keep/", paying.keep, name="keep"),
    path("<uuid:vehicle_id>/portal/", paying.portal_page, name="portal"),
    path("<uuid:vehicle_id>/switch/", changing.switch, name="switch"),
    path("<uuid:vehicle_id>/withdraw/", changing.withdraw, name="withdraw"),
    path("<uuid:vehicle_id>/learning/", learning.learning, name="learning"),
    path("<uuid:vehicle_id>/transfer/", transfers.offer, name="transfer"),
    path("<uuid:vehicle_id>/transfer/back/", transfers.take_back, name="take_back"),
    path("<uuid:vehicle_id>/drivers/", drivers.drivers, name="drivers"),
    path("<uuid:vehicle_id>/drivers/<int:driver_id>/remove/", drivers.remove, name="remove_driver"),
    path("invitations/<str:token>/", drivers.invited, name="invited"),
    path("driving/<uuid:vehicle_id>/", drivers.driven, name="driven"),
    path("driving/<uuid:vehicle_id>/leave/", drivers.leave, name="leave_car"),
    path("offers/<str:token>/", transfers.offered, name="offered"),
    path("<uuid:vehicle_id>/release/", garage.release, name="release"),
    path("<uuid:vehicle_id>/claims/<int:claim_id>/object/", garage.object_to, name="object"),
]
