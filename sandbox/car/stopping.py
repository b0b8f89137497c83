"""Decides when a process of cars ends: at Ctrl-C, at SIGTERM, or when a part of it breaks."""

import asyncio
import signal
from collections.abc import Coroutine, Iterable
from typing import Any


async def run_until_stopped(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all of it side by side until a signal comes; raises what any part of it raises."""
    stopped = asyncio.create_task(_stop_signal())
    tasks = [stopped, *(asyncio.create_task(part) for part in work)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
