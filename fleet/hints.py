"""Hints by MQTT 5 that wake cars which do not wait: that there is something to ask for, never what.

A hint is a message without content on the car's own topic. One that is lost costs the car its time
until the next check and nothing else, so nobody waits for the broker and nobody counts. It must
never know who listens; the broker's rules say who may (docs/operations.md, Wake by MQTT).
"""

import functools
import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

log = structlog.get_logger()
TOPIC = "vehicle/{}/wake"
AT_LEAST_ONCE = 1
EXPIRES = 3600  # seconds for which the broker keeps a hint; by then the car has asked or sleeps on
QUEUED = 5_000  # hints that a process keeps while the broker is away; more are dropped
AGAIN = (1, 30)  # seconds between two tries to connect
PORTS = {"mqtt": 1883, "mqtts": 8883}


def publish(vehicle_ids: Iterable[UUID]) -> None:
    """Hint to these cars that something has changed; never raises and never waits."""
    if not settings.MQTT_URL:
        return
    try:
        client = _client(settings.MQTT_URL, os.getpid())
        for vehicle_id in vehicle_ids:
            client.publish(
                TOPIC.format(vehicle_id), qos=AT_LEAST_ONCE, properties=_expiring(EXPIRES)
            )
    except Exception:  # Whatever it is, cars ask without a hint too.
        log.exception("hints_not_published")


@functools.lru_cache(maxsize=1)
def _client(url: str, _process: int) -> Client:
    """This process's connection, which comes, and comes back, by itself in a thread of its own.

    A worker is forked: a thread of its parent is not there.
    """
    where = urlsplit(url)
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.max_queued_messages = QUEUED
    client.reconnect_delay_set(*AGAIN)
    client.on_connect = _connected
    client.on_disconnect = _disconnected
    if where.username:
        client.username_pw_set(unquote(where.username), unquote(where.password or ""))
    if where.scheme == "mqtts":
        client.tls_set()
    client.connect_async(where.hostname or "", where.port or PORTS[where.scheme])
    client.loop_start()
    return client


@functools.lru_cache(maxsize=1)
def _expiring(seconds: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # theirs
    properties.MessageExpiryInterval = seconds
    return properties


def _connected(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
    if reason.is_failure:
        log.warning("mqtt_refused_us", reason=str(reason))


def _disconnected(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
    log.warning("mqtt_away", reason=str(reason))
