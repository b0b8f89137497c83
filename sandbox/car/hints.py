"""Listens for hints that there is something to ask for (MQTT 5); it must never know what that is,
nor count on a hint.
"""

import random
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

_TOPIC = "vehicle/{}/wake"
_AT_LEAST_ONCE = 1
_SPREAD = 2.0  # seconds: cars that are hinted to together do not come together
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Hints:
    """One car's ear at this broker; without a URL it hears nothing."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url) if url else None
        self._client: Client | None = None
        self._vehicle = ""
        self._due_at: float | None = None

    def listen_as(self, vehicle: str) -> None:
        """Connects as this vehicle, once it is known, in a thread that keeps trying."""
        if self._url is None or not vehicle or vehicle == self._vehicle:
            return
        self.close()
        self._vehicle = vehicle
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.username_pw_set(vehicle, unquote(self._url.password or ""))
        client.on_connect = self._connected
        client.on_message = self._heard
        # What was said while it did not listen is not known.
        client.on_subscribe = self._heard
        if self._url.scheme == "mqtts":
            client.tls_set()
        port = self._url.port or _PORTS[self._url.scheme]
        client.connect_async(self._url.hostname or "", port)
        client.loop_start()
        self._client = client

    def is_due(self) -> bool:
        """Whether it is time to follow a hint; it is followed once."""
        due = self._due_at is not None and time.monotonic() >= self._due_at
        if due:
            self._due_at = None
        return due

    def close(self) -> None:
        """Listens no longer."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(_TOPIC.format(self._vehicle), _AT_LEAST_ONCE)

    def _heard(self, *_: Any) -> None:
        if self._due_at is None:
            self._due_at = time.monotonic() + random.uniform(0, _SPREAD)
