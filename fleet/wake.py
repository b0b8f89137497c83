"""How those who hold cars' requests at a site hear that something has changed: one channel.

A message names the vehicles and never says what they may do. A lost one costs a car the rest of its
wait and nothing else, so nobody counts them. It must never know who listens.
"""

from collections.abc import Iterable, Iterator

CHANNEL = b"wake:2"
_ID = 16  # bytes of a vehicle's id


def call(vehicle_ids: Iterable[bytes]) -> tuple[bytes | str | int, ...]:
    """The command that tells a site's listeners of these vehicles."""
    return ("PUBLISH", CHANNEL, b"".join(vehicle_ids))


def read(message: bytes) -> Iterator[bytes]:
    """The ids that a message names; what is no message of ours names none that anybody has."""
    return (message[at : at + _ID] for at in range(0, len(message), _ID))
