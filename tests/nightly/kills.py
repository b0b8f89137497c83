"""`python -m tests.nightly.kills`: processes are killed with SIGKILL while people buy and cancel.

Real webs, workers and a beat on real servers; a month passes between the two parts of each story.
The exit status is 0 if every journey has ended as it must, and as many were killed as was asked.
"""

import argparse
import collections
import contextlib
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import requests

from tests.nightly.processes import System, running

A_WHILE = 15 * 60  # seconds
MONTH = 32 * 86_400  # seconds; the sandbox charges an hour after a period is over
MARGIN = 1.1  # so many times the kills that are asked for
QUIET = 300.0  # seconds for what is left to be done once nobody is killed any more


def arguments() -> argparse.Namespace:
    """What to do, and how much of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200, help="at least so many")
    parser.add_argument("--between", type=int, default=50, help="of these, in unanswered calls")
    parser.add_argument("--at-once", type=int, default=16, help="journeys under way")
    parser.add_argument("--every", type=float, default=0.8, help="seconds from kill to kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are")
    return parser.parse_args()


def main() -> int:
    """Run it all and say what came of it."""
    wanted = arguments()
    folder = Path(tempfile.mkdtemp(prefix="connectivity-kills-"))
    with contextlib.ExitStack() as stack:
        if not wanted.keep:
            temporary = tempfile.TemporaryDirectory(prefix="connectivity-kills-")
            folder = Path(stack.enter_context(temporary))
        system = stack.enter_context(running(folder))
        _join(system)
        return _run(wanted, system)


def _join(system: System) -> None:
    """Become a process of this system too, as `manage.py` in another shell does."""
    os.environ.update(system.environ, DJANGO_SETTINGS_MODULE="connectivity.settings.web")
    from django.conf import settings

    django.setup()
    from tests import factories

    factories._numbers = itertools.count(1000)  # The demo's car has a low one.
    # Every journey's thread reads for itself.
    settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"] = 40
    settings.ALLOWED_HOSTS = ["*"]


def _run(wanted: argparse.Namespace, system: System) -> int:
    from tests.nightly.killer import Killer
    from tests.nightly.stories import STORIES, Crowd, Journey

    webs = itertools.cycle(system.webs)
    told = random.Random(wanted.seed).choices(STORIES, k=wanted.journeys)
    journeys = [Journey(story, webs) for story in told]
    # Kills and journeys keep pace: who would begin too early waits, and so does the killer.
    share = wanted.kills * MARGIN / (2 * wanted.journeys)
    killer = Killer(
        system,
        every=wanted.every,
        seed=wanted.seed,
        may_kill=lambda kills: kills < crowd.begun * share,
    )
    crowd = Crowd(
        wanted.at_once, lambda begun: killer.kills >= (begun - 4 * wanted.at_once) * share
    )
    began = time.monotonic()
    print(f"{wanted.journeys} journeys, {wanted.at_once} at once; {system.folder}", flush=True)
    killer.start()
    try:
        _tend(system, killer, crowd, crowd.start(journeys, "before"), "first part")
        _a_month_passes(system)
        _tend(system, killer, crowd, crowd.start(journeys, "after"), "second part")
        while not _enough(wanted, killer) and killer.is_alive():
            system.keeper.tend()
            time.sleep(0.02)
            if time.monotonic() - began > 3 * wanted.every * wanted.kills + QUIET:
                break
    finally:
        killer.stop()
    found, facts = _settled(system, killer, journeys)
    facts |= {
        "times that somebody had to press again": sum(one.interrupted for one in journeys),
        "processes started again": system.keeper.starts,
        "seconds": int(time.monotonic() - began),
    }
    _tell(killer, journeys, facts)
    return _judged(found, enough=_enough(wanted, killer))


def _enough(wanted: argparse.Namespace, killer: Any) -> bool:
    return bool(killer.kills >= wanted.kills and killer.between >= wanted.between)


def _tend(
    system: System, killer: Any, crowd: Any, threads: list[threading.Thread], part: str
) -> None:
    """Start again who dies, until all have lived this part of their stories."""
    told = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        system.keeper.tend()
        time.sleep(0.02)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(
                f"{part}: {crowd.done} done, {killer.kills} killed, {killer.between} of them "
                "between an intent and its answer",
                flush=True,
            )


def _a_month_passes(system: System) -> None:
    """Move the clock, once all is delivered: after three days Stripe would not try again."""
    from billing import clock

    while _delivered(system):
        system.keeper.tend()
        time.sleep(0.1)
    clock.advance(MONTH)


def _delivered(system: System) -> int:
    """Have what waits delivered now, and return how much waited: its next try may be far."""
    webhooks = f"{system.sandbox}/sandbox/stripe/webhooks"
    waiting = len(requests.get(webhooks, timeout=30).json()["data"])
    if waiting:
        requests.post(f"{webhooks}/deliver", timeout=600)
    return waiting


def _settled(system: System, killer: Any, journeys: list[Any]) -> tuple[list[str], dict[str, int]]:
    """Let what is under way come to its end, and look."""
    from billing import clock, webhooks
    from tests.nightly.findings import Account, counted, findings

    def at_rest() -> bool:
        system.keeper.tend()
        return not any(_waiting(system).values())

    # Nothing waits longer for another event to come.
    clock.advance(int(webhooks.CALM.total_seconds()) + A_WHILE)
    deadline = time.monotonic() + QUIET
    while not at_rest() and time.monotonic() < deadline:
        time.sleep(0.2)
    print(f"At rest: {dict(_waiting(system))}", flush=True)
    mails = requests.get(f"{system.sandbox}/mail.json", timeout=30).json()
    killed = killer.victims
    repeats = killed["worker"] + killed["worker's child"]
    account = Account(system.stripe_file)
    found = list(findings(journeys, account, mails, repeats=repeats, now=clock.now()))
    found += [*_drift(), *(f"the killer: {problem}" for problem in killer.lost)]
    return found, counted(account, mails)


def _waiting(system: System) -> collections.Counter[str]:
    """What is to be done yet, on both sides."""
    from billing.models import Change, DomainEvent, Intent, StripeEvent
    from connectivity.notices.models import Notice

    return collections.Counter(
        webhooks=_delivered(system),
        intents=Intent.objects.filter(answered_at=None).count(),
        events=StripeEvent.objects.filter(state="received").count(),
        changes=Change.objects.count(),
        facts=DomainEvent.objects.filter(noticed_at=None).count(),
        mails=Notice.objects.filter(sent_at=None).count(),
    )


def _drift() -> Iterator[str]:
    """What a reconciliation finds, which repairs nothing."""
    from billing import budget, clock, reconcile

    run, pace = reconcile.begin(repairs=False, now=clock.now()), reconcile.Pace(clock.now)
    more = True
    while more:
        with contextlib.suppress(budget.Spent):
            more = reconcile.step(run, pace)
    for finding in run.findings.all():
        yield f"reconcile: {finding.kind} {finding.what}: {finding.detail}"


def _tell(killer: Any, journeys: list[Any], facts: dict[str, int]) -> None:
    stories = collections.Counter(journey.story.name for journey in journeys)
    tables: list[tuple[str, dict[str, int]]] = [
        ("journeys", stories),
        ("killed with SIGKILL", killer.victims),
        ("at which moment", killer.moments),
        ("between an intent and its answer, by kind", killer.intents),
    ]
    for title, counts in tables:
        print(f"\n{title + ' ':-<66}{sum(counts.values()):>6}")
        for name, count in sorted(counts.items(), key=lambda row: -row[1]):
            print(f"  {name:<64}{count:>6}")
    print(f"\n{'found ':-<72}")
    for name, count in facts.items():
        print(f"  {name:<64}{count:>6}")


def _judged(found: list[str], *, enough: bool) -> int:
    if not enough:
        found.append(
            "fewer were killed than was asked for: take more journeys, or a smaller --every"
        )
    for line in found[:50]:
        print(f"WRONG  {line}")
    print(f"{len(found)} wrong" if found else "Everything is as it must be.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
