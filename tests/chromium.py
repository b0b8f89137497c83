"""The Chromium of this machine, and how it is started."""

import os
import shutil

# Without a window it is the same engine, and takes two thirds of the processor time.
NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # As root, Chromium refuses to run with it.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
MISSING = (
    "No Chromium: install one (apt-get install chromium-headless-shell) or name it in CHROMIUM."
)


def find() -> str | None:
    """Where it is: what CHROMIUM names, or the first of these that is on PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
