"""Addresses under /billing/."""

from django.urls import path

from billing import views

app_name = "billing"
urlpatterns = [
    path("webhook/", views.webhook, name="webhook"),
    path("invoices/", views.invoice_list, name="invoices"),
]
