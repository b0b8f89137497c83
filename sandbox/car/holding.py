"""Decides whether the lease that a car keeps is good, without any network; it must never know how
the lease came, nor read a clock.
"""

from typing import Any

from sandbox.car import lease as leases
from sandbox.car.notebook import Notebook


class Holding:
    """The lease in one car's memory, read again only when it or the published keys change."""

    def __init__(self, notebook: Notebook, issuer: str) -> None:
        self._notebook = notebook
        self._issuer = issuer
        self._lease: leases.Lease | None = None
        self._read_from = ("", 0.0)
        self._keys: leases.Keys = {}
        self._keys_from: dict[str, Any] = {}

    def keys(self) -> leases.Keys:
        """The published keys as they were last fetched."""
        jwks = self._notebook.memory.jwks
        if jwks is not self._keys_from:
            self._keys, self._keys_from = leases.parse_keys(jwks), jwks
        return self._keys

    def signed(self) -> leases.Lease | None:
        """The lease, if all but the time is right about it."""
        # A signature costs a tenth of a millisecond, so a lease is read once for a set of keys.
        memory = self._notebook.memory
        told = (memory.lease, memory.jwks_fetched_at)
        if told != self._read_from:
            self._read_from = told
            try:
                self._lease = self._checked(memory.lease)
            except leases.LeaseError:
                self._lease = None
        return self._lease

    def adopt(self, lease: leases.Lease) -> None:
        """Take the lease in memory as read: it has just been found right."""
        memory = self._notebook.memory
        self._lease, self._read_from = lease, (memory.lease, memory.jwks_fetched_at)

    def good(self, now: float) -> leases.Lease | None:
        """The lease, if it holds at the car's time `now`."""
        lease = self.signed()
        if lease is None:
            return None
        try:
            lease.check_time(now)
        except leases.LeaseError:
            return None
        return lease

    def verdict(self, now: float) -> leases.Verdict:
        """What the car may do at its time `now`; without a good lease it is a Standard car."""
        lease = self.good(now)
        return lease.verdict(now) if lease else leases.Verdict(leases.STANDARD, ())

    def _checked(self, token: str) -> leases.Lease:
        memory = self._notebook.memory
        lease = leases.read(token, keys=self.keys(), vin=self._notebook.vin)
        lease.check_issuer(self._issuer)
        # Storage may hold an older lease than the car once knew, after a repair or by malice.
        lease.check_order(memory.version, memory.catalog)
        return lease
