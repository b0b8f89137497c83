"""The edge's settings with a fault that the start does not see: no lease can be signed."""

from connectivity.settings.edge import *  # noqa: F403 -- settings are one namespace

LEASE_SIGNING_KEYS = ["nonsense"]
