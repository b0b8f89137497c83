"""Hints over a real Mosquitto, by the rules of docs/operations.md: who hears them, who does not."""

import contextlib
import getpass
import os
import queue
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from billing import clock, subjects
from connectivity.local.probe import listens
from fleet import delivery, hints
from fleet.models import Delivery
from sandbox.car.hints import Hints as CarsEar
from tests.factories import Car, make_car
from tests.running import ROOT, free_port, soon

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("mosquitto")]
MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
PASSWORDS = shutil.which("mosquitto_passwd")
SECRET = "secret"


def rules() -> str:
    """The ACL as the page for those who run it has it."""
    page = (ROOT / "docs" / "operations.md").read_text()
    return page.split("```mosquitto\n")[1].split("```")[0]


class Broker:
    """A Mosquitto of this test's own, which can be stopped and started at the same address."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self.url = f"mqtt://connectivity:{SECRET}@127.0.0.1:{port}"
        (folder / "rules").write_text(rules())
        (folder / "passwords").touch(mode=0o600)
        self.lets_in("connectivity")
        (folder / "conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous false\nuser {getpass.getuser()}\n"
            f"password_file {folder / 'passwords'}\nacl_file {folder / 'rules'}\n"
        )

    def lets_in(self, *names: str) -> None:
        for name in names:
            command = [str(PASSWORDS), "-b", str(self._folder / "passwords"), name, SECRET]
            subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Start it and wait until it listens: who comes too early waits for a second."""
        log = (self._folder / "log").open("ab")
        command = [str(MOSQUITTO), "-c", str(self._folder / "conf")]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        assert soon(lambda: listens("127.0.0.1", self.port), 10)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def broker(tmp_path, settings) -> Iterator[Broker]:
    if not (MOSQUITTO and PASSWORDS):
        pytest.skip("No Mosquitto: install it (apt-get install mosquitto).")
    running = Broker(tmp_path, free_port())
    settings.MQTT_URL = running.url
    try:
        yield running
    finally:
        if hints._client.cache_info().currsize:
            hang_up(hints._client(running.url, os.getpid()))
        running.stop()


def hang_up(client: Client) -> None:
    """End the product's own client; its thread hears of a disconnect at once."""
    client.disconnect()
    client.loop_stop()
    hints._client.cache_clear()


class Listener:
    """What a car's modem does: it listens on a topic as the car that it is."""

    def __init__(self, broker: Broker, vehicle_id: UUID, topic: str, keeps: int = 0) -> None:
        self.heard: queue.Queue[MQTTMessage] = queue.Queue()
        self.granted: queue.Queue[Any] = queue.Queue()
        self._topic = topic
        self._client = Client(
            CallbackAPIVersion.VERSION2, str(vehicle_id) if keeps else "", None, protocol=MQTTv5
        )
        self._client.username_pw_set(str(vehicle_id), SECRET)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *said: self.granted.put(said[3])
        self._client.on_message = lambda _c, _d, message: self.heard.put(message)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = keeps
        self._client.connect_async(
            "127.0.0.1", broker.port, clean_start=not keeps, properties=session
        )
        self._client.loop_start()

    def _connected(self, *_: Any) -> None:
        self._client.subscribe(self._topic, 1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def listening(broker: Broker, car: Car, topic: str = "", keeps: int = 0) -> Iterator[Listener]:
    listener = Listener(broker, car.vehicle.id, topic or own(car), keeps)
    try:
        listener.granted.get(timeout=10)
        yield listener
    finally:
        listener.close()


def own(car: Car) -> str:
    return f"vehicle/{car.vehicle.id}/wake"


def a_car(broker: Broker) -> Car:
    made = make_car()
    broker.lets_in(str(made.vehicle.id))
    return made


def change(car: Car) -> None:
    subjects.bump([car.vehicle.id], now=clock.now())
    delivery.publish("local", now=clock.now())


def settle() -> None:
    delivery.publish("local", now=clock.now())


def test_only_the_car_itself_hears_that_something_has_changed_and_not_what(
    broker, settings
) -> None:
    settings.MQTT_URL = ""
    car, other = a_car(broker), a_car(broker)
    settle()
    settings.MQTT_URL = broker.url
    broker.start()
    with (
        listening(broker, car) as mine,
        listening(broker, other) as theirs,
        listening(broker, other, own(car)) as nosy,
        listening(broker, other, "vehicle/+/wake") as nosier,
    ):
        change(car)
        hint = mine.heard.get(timeout=10)
        assert (hint.topic, hint.payload, hint.qos, hint.retain) == (own(car), b"", 1, False)
        assert hint.properties is not None
        assert 0 < hint.properties.json()["MessageExpiryInterval"] <= 3600
        change(other)
        theirs.heard.get(timeout=10)
        heard_of = {nosier.heard.get(timeout=10).topic}
        assert heard_of == {own(other)}, "what a wildcard brings is the car's own"
        assert nosy.heard.empty()
        assert nosier.heard.empty()
        assert mine.heard.empty()


def test_a_car_must_not_hint(broker, settings) -> None:
    settings.MQTT_URL = ""
    car, other = a_car(broker), a_car(broker)
    broker.start()
    with listening(broker, car) as mine, listening(broker, other) as theirs:
        theirs._client.publish(own(car), qos=1).wait_for_publish(10)
        mine._client.publish(own(car), qos=1).wait_for_publish(10)
        settings.MQTT_URL = broker.url
        hints.publish([car.vehicle.id])
        mine.heard.get(timeout=10)
        assert mine.heard.empty(), "the one hint was ours"


def test_a_modem_that_was_away_hears_it_when_it_is_back(broker, settings) -> None:
    car = a_car(broker)
    broker.start()
    with listening(broker, car, keeps=600):
        pass
    hints.publish([car.vehicle.id])
    with listening(broker, car, keeps=600) as back:
        assert back.heard.get(timeout=10).topic == own(car)


def test_the_sandbox_car_follows_a_hint_once(broker) -> None:
    car = a_car(broker)
    broker.start()
    ear = CarsEar(f"mqtt://:{SECRET}@127.0.0.1:{broker.port}")
    ear.listen_as(str(car.vehicle.id))
    try:
        assert soon(ear.is_due, 10), "what was said before it listened is not known"
        assert not ear.is_due()
        hints.publish([car.vehicle.id])
        assert soon(ear.is_due, 10)
        assert not ear.is_due()
    finally:
        ear.close()


def test_a_broker_that_is_away_costs_nothing_and_comes_back_by_itself(broker) -> None:
    car = a_car(broker)
    broker.start()
    with listening(broker, car) as listener:
        change(car)
        listener.heard.get(timeout=10)
        broker.stop()
        began = time.monotonic()
        for _ in range(5):
            change(car)
        assert time.monotonic() - began < 2
        newest = Delivery.objects.filter(vehicle=car.vehicle).latest("version")
        assert newest.state == "sent"
        broker.start()
        listener.granted.get(timeout=20)
        # What was told meanwhile may come; what is told from now on does.
        heard = soon(lambda: _told(car, listener), 20)
        assert heard


def _told(car: Car, listener: Listener) -> bool:
    change(car)
    with contextlib.suppress(queue.Empty):
        return bool(listener.heard.get(timeout=1))
    return False


def test_what_cannot_be_reached_at_all_fails_nothing(settings, monkeypatch) -> None:
    settings.MQTT_URL = f"mqtt://127.0.0.1:{free_port()}"
    monkeypatch.setattr(hints, "QUEUED", 3)
    hints._client.cache_clear()
    car = make_car()
    for _ in range(10):
        change(car)
    client = hints._client(settings.MQTT_URL, os.getpid())
    assert len(client._out_messages) <= 3, "it keeps no more than it says"
    hang_up(client)
    assert Delivery.objects.filter(vehicle=car.vehicle, state="sent").count() == 1


def test_a_fault_of_the_client_is_no_fault_of_the_delivery(settings, monkeypatch) -> None:
    settings.MQTT_URL = "mqtt://127.0.0.1:1"

    def broken(*_args: Any) -> Client:
        raise RuntimeError("no thread can be started")

    monkeypatch.setattr(hints, "_client", broken)
    car = make_car()
    change(car)
    assert Delivery.objects.get(vehicle=car.vehicle, version=2).state == "sent"
