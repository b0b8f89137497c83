"""Runs the machine: how many sequences, from which seed, and in what time."""

import gc
import logging
import os
import random
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test

from tests.factories import make_user
from tests.journeys.telling import at
from tests.journeys.world import opened
from tests.properties.acts import NAMES
from tests.properties.machine import Machine
from tests.properties.stage import Stage
from tests.properties.tally import Tally

AGAIN = ".venv/bin/python -m pytest tests/properties"
BEGIN = at("2027-03-01 09:00")


class Even(HypothesisProvider):
    """Draws each sequence anew.

    Left to itself Hypothesis makes many out of a few that it had, and ends many with the first of
    all choices again and again: a third of all acts was a wait of two minutes. Nor does it look
    for telling constants in our sources: all that is drawn is chosen from lists.
    """

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


AVAILABLE_PROVIDERS["even"] = Even


def run(folder: Path, part: int, sequences: int, steps: int, tally: Tally) -> str:
    """Try that many sequences in a world of their own; return how long it took, for people.

    One that fails is printed as it was; with SHRINK in the environment it is made small first.
    """
    number = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32))) + part
    began, worked = time.perf_counter(), time.process_time()
    logging.disable()  # What fails on purpose is told at length, and nobody reads it.
    gc.disable()  # Between two sequences is time enough.
    with opened(folder, at=BEGIN, record=None) as world:
        stage = Stage(world, BEGIN)
        try:
            machine = _machine(stage, number, tally)
            _try(machine, sequences, steps)
        except BaseException as error:
            tried = f"found within {tally.sequences} sequences"
            again = f"SEED={number} SEQUENCES={2 * sequences} STEPS={steps} SHRINK=1 {AGAIN} -k 0"
            error.add_note(f"{tried}; to see it again, and smaller, in some minutes: {again}")
            raise
        finally:
            stage.close()
            logging.disable(logging.NOTSET)
            gc.enable()
    took, busy = time.perf_counter() - began, time.process_time() - worked
    return (
        f"{tally.sequences} sequences in {took:.0f} s, "
        f"{took * 1000 / tally.sequences:.0f} ms each ({busy * 1000 / tally.sequences:.0f} ms "
        f"of this process), SEED={number}"
    )


def _machine(stage: Stage, number: int, tally: Tally) -> type[Machine]:
    facts: dict[str, Any] = {
        "stage": stage,
        "tally": tally,
        "people": {name: make_user(f"{name}@example.com") for name in NAMES},
    }
    machine = type("Sequence", (Machine,), facts)
    return seed(number)(machine)


def _try(machine: type[Machine], sequences: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sequences,
            backend="even",
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate, *([Phase.shrink] if "SHRINK" in os.environ else [])],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
