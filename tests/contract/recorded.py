"""Holds everything that the sandbox said during a run against Stripe's contract, strictly."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.contract.stripe_contract import Contract

MANY = 50  # files: by then processes of their own are worth their start
PROCESSES = 2


@functools.cache
def contract() -> Contract:
    """Stripe's contract, read once, with the shapes that were added to it."""
    return Contract(_merged(_read("contract.json"), _read("contract_extra.json")))


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_text("utf-8"))
    return document


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both; what only one of them says is said, and where both are hashes they are merged."""
    merged = dict(one)
    for name, value in other.items():
        known = merged.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[name] = _merged(known, value)
        else:
            merged[name] = value
    return merged


@dataclasses.dataclass
class Report:
    """What the records hold, and what in them Stripe would not have said or taken."""

    findings: list[str] = dataclasses.field(default_factory=list)
    exchanges: int = 0
    events: int = 0
    operations: set[tuple[str, str]] = dataclasses.field(default_factory=set)


def check(folder: Path) -> Report:
    """Check every record file in a folder; operations are (method, path template) pairs."""
    paths = sorted(folder.iterdir())
    if len(paths) < MANY:
        return _check_all(paths)
    whole = Report()
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as processes:
        for part in processes.map(_check_all, [paths[at::PROCESSES] for at in range(PROCESSES)]):
            whole.findings += part.findings
            whole.exchanges += part.exchanges
            whole.events += part.events
            whole.operations |= part.operations
    return whole


def _check_all(paths: Sequence[Path]) -> Report:
    report = Report()
    for path in paths:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            where = f"{path.name}:{number}"
            try:
                record = json.loads(line)
            except ValueError:
                report.findings.append(f"{where}: not a line of JSON")
                continue
            if "event" in record:
                _check_event(record["event"], where, report)
            else:
                _check_exchange(record, where, report)
    return report


def _check_event(event: dict[str, Any], where: str, report: Report) -> None:
    report.events += 1
    for place, kind, detail in contract().event(event, strict=True):
        report.findings.append(f"{where}: event {event.get('type')}: {kind} {place} {detail}")


def _check_exchange(record: dict[str, Any], where: str, report: Report) -> None:
    report.exchanges += 1
    method, url = record["method"], record["url"]
    template, _ = contract().find(method, url)
    if template is not None:
        report.operations.add((method, template))
    found = contract().request(method, url, record["form"])
    found += contract().response(method, url, record["status"], record["response"], strict=True)
    for place, kind, detail in found:
        report.findings.append(f"{where}: {method} {template or url}: {kind} {place} {detail}")
