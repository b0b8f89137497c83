"""Runs the machine: how many sequences, from which seed, and in what time."""

import logging
import os
import random
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.factories import make_user
from tests.journeys.telling import at
from tests.journeys.world import opened
from tests.properties.acts import NAMES
from tests.properties.machine import Machine
from tests.properties.stage import Stage

STEPS = 15
BEGIN = at("2027-03-01 09:00")


def run(folder: Path, sequences: int) -> str:
    """Try that many sequences in a world of their own; return what was done, for people.

    One that fails is printed as it was; with SHRINK in the environment it is made small first.
    """
    number = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    began, worked = time.perf_counter(), time.process_time()
    logging.disable()  # What fails on purpose is told at length, and nobody reads it.
    with opened(folder, at=BEGIN, record=None) as world:
        stage = Stage(world, BEGIN)
        try:
            machine = _machine(stage, number)
            _try(machine, sequences)
        except BaseException as error:
            again = f"SEED={number} SHRINK=1"
            error.add_note(f"To see it again, and smaller: {again}; it takes some minutes")
            raise
        finally:
            stage.close()
            logging.disable(logging.NOTSET)
    took, busy = time.perf_counter() - began, time.process_time() - worked
    return (
        f"{machine.sequences} sequences in {took:.0f} s, "
        f"{took * 1000 / machine.sequences:.0f} ms each ({busy * 1000 / machine.sequences:.0f} ms "
        f"of this process), SEED={number}"
    )


def _machine(stage: Stage, number: int) -> type[Machine]:
    facts: dict[str, Any] = {
        "stage": stage,
        "people": {name: make_user(f"{name}@example.com") for name in NAMES},
    }
    machine = type("Sequence", (Machine,), facts)
    return seed(number)(machine)


def _try(machine: type[Machine], sequences: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, *([Phase.shrink] if "SHRINK" in os.environ else [])],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
