"""The command line of the cars: which to run, or what their maker would import."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.car import demo, fleet, identity, keys
from sandbox.car.config import Config, from_environment
from sandbox.car.storage import Storage

_EXAMPLES = """\
A fleet against a running system:
  python -m sandbox.car --count 1000 --manifest > cars.csv
  python manage.py import_vehicles cars.csv
  python -m sandbox.car --count 1000

Environment: CAR_DATA_DIR (var/sandbox/car), EDGE_URL (http://localhost:8001), VEHICLE_AUDIENCE
(premium-connectivity), CLOCK_FILE (var/clock), CAR_WAIT (50: seconds for which the demo car has
its checks held).
"""


class AlreadyRunningError(Exception):
    """Another process drives these cars; the text says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the arguments ask for; returns the exit status."""
    options = _parser().parse_args(arguments)
    config = from_environment(os.environ)
    try:
        cars = identity.series(options.count) if options.count is not None else [identity.DEMO]
        if options.manifest:
            sys.stdout.write(_manifest(config, cars))
        elif options.count is None:
            with _only_one(config.data_dir, "demo"):
                asyncio.run(demo.run(config))
        else:
            with _only_one(config.data_dir, "fleet"):
                asyncio.run(fleet.run(config, cars))
    except (AlreadyRunningError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.car",
        description="Runs the demo car, or N others, against the edge.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, metavar="N", help="N cars of a made-up fleet")
    parser.add_argument(
        "--manifest", action="store_true", help="print these cars' import file instead"
    )
    return parser


def _manifest(config: Config, cars: Sequence[identity.Identity]) -> str:
    storage = Storage(config.data_dir)
    try:
        private_keys = storage.enrol([car.vin for car in cars], keys.new_key)
    finally:
        storage.close()
    return identity.manifest((car, keys.public_key(private_keys[car.vin])) for car in cars)


@contextlib.contextmanager
def _only_one(data_dir: Path, name: str) -> Iterator[None]:
    """Holds a lock that the kernel frees however this process ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunningError(
                f"Another process already drives the {name} cars in {data_dir}. Stop it first, or "
                "set CAR_DATA_DIR to another folder."
            ) from None
        yield


if __name__ == "__main__":
    sys.exit(main())
