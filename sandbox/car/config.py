"""Reads the car's environment; it must never know anything of the product but its addresses."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_APP_DATA_DIR = "var"
DEFAULT_EDGE_PORT = "8001"
DEFAULT_PATIENCE = 50  # seconds for which a car that is awake has its checks held
DEFAULT_AUDIENCE = "premium-connectivity"


@dataclass(frozen=True)
class Config:
    """Where the cars keep their storage, whom they call, and where the moved time stands."""

    data_dir: Path
    edge_url: str
    audience: str
    clock_file: Path
    patience: int = DEFAULT_PATIENCE
    mqtt_url: str = ""


def from_environment(environ: Mapping[str, str]) -> Config:
    """The configuration that the environment names; empty variables count as unset."""
    shared = Path(environ.get("APP_DATA_DIR") or DEFAULT_APP_DATA_DIR)
    data_dir = Path(environ.get("CAR_DATA_DIR") or shared / "sandbox" / "car").resolve()
    edge_port = environ.get("EDGE_PORT") or DEFAULT_EDGE_PORT
    return Config(
        data_dir=data_dir,
        edge_url=(environ.get("EDGE_URL") or f"http://localhost:{edge_port}").rstrip("/"),
        audience=environ.get("VEHICLE_AUDIENCE") or DEFAULT_AUDIENCE,
        clock_file=clock_file(data_dir, environ),
        patience=int(environ.get("CAR_WAIT") or DEFAULT_PATIENCE),
        mqtt_url=environ.get("CAR_MQTT_URL") or "",
    )


def clock_file(data_dir: Path, environ: Mapping[str, str]) -> Path:
    """The file with the offset that moves time for every process of one copy of the product."""
    return Path(environ.get("CLOCK_FILE") or data_dir.parent.parent / "clock")
