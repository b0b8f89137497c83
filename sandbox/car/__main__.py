"""The command line of the cars: which to run, or what their maker would import."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from sandbox.car import demo, fleet, identity, keys, maker
from sandbox.car.config import Config, from_environment
from sandbox.car.maker import NotTakenError
from sandbox.car.storage import Storage

_EXAMPLES = """\
A fleet against a running `make run`, with a proof at the end:
  python -m sandbox.car --count 1000 --for 120

Its cars are imported first (`manage.py import_vehicles`). They wait and poll, sleep, lose signal,
restart with old storage and have clocks that are wrong; one in a hundred has a key that is not its
own and must be refused. The exit status is 1 if a car differs from what the service says of it.

Environment: APP_DATA_DIR, EDGE_PORT as for `make run`; CAR_DATA_DIR (var/sandbox/car), EDGE_URL
(http://localhost:8001), VEHICLE_AUDIENCE (premium-connectivity), CLOCK_FILE (var/clock), CAR_WAIT
(50: seconds for which a car that is awake has its checks held).
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
                return _fleet(config, cars, options)
    except (AlreadyRunningError, NotTakenError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Broken off: nothing is proven.", file=sys.stderr)
        return 130
    return 0


def _fleet(config: Config, cars: Sequence[identity.Identity], options: argparse.Namespace) -> int:
    manifest = _manifest(config, cars)
    if options.provision:
        maker.provision(manifest, config.data_dir / "fleet.csv")
    trip = fleet.Trip(options.seconds, options.seed, options.journal, options.spell)
    private_keys = _enrolled(config, cars)
    return 0 if uvloop.run(fleet.run(config, private_keys, trip)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.car",
        description="Runs the demo car, or N others, against the edge.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--count", type=int, metavar="N", help="N cars of a made-up fleet")
    add("--manifest", action="store_true", help="print these cars' import file instead")
    add(
        "--for",
        dest="seconds",
        type=float,
        metavar="SECONDS",
        help="once all are on; else: until Ctrl-C",
    )
    add("--spell", type=float, default=30.0, metavar="SECONDS", help="a sleep, a tunnel, ... (30)")
    add("--seed", type=int, default=1, metavar="N", help="another one, and other cars sleep (1)")
    add("--journal", type=Path, metavar="FILE", help="write down when each car got what")
    add("--no-import", dest="provision", action="store_false", help="the cars are known already")
    return parser


def _manifest(config: Config, cars: Sequence[identity.Identity]) -> str:
    private_keys = _enrolled(config, cars)
    return identity.manifest((car, keys.public_key(private_keys[car.vin])) for car in cars)


def _enrolled(config: Config, cars: Sequence[identity.Identity]) -> dict[str, bytes]:
    storage = Storage(config.data_dir)
    try:
        return storage.enrol([car.vin for car in cars], keys.new_key)
    finally:
        storage.close()


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
