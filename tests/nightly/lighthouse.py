"""Lighthouse's marks of the main pages, the median of several looks: `-m tests.nightly.lighthouse`.

Lighthouse is Google's, and no part of this project: `npm install lighthouse` in a folder of its own
gives `node_modules/.bin/lighthouse`, whose path is the argument. The site is started as `make run`
does, with one more web process that serves as production does: no DEBUG, compressed files whose
names carry their content, secure cookies. The proxy that would speak HTTPS is a header.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.running import ROOT, Run, free_port, fresh_shell, soon, started

WANTED = 95
TRIES = 3  # A busy machine's browser may lose the trace of a look.
GOOD = 0.9  # of 1, for one thing that is looked at
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
NOT_MEASURED = ("admin", "drf_spectacular_sidecar", "rest_framework")
# What an owner has: a car with Premium, one without, and invoices.
FILL = """
import json
from django.test import Client
from billing import clock
from billing.models import Invoice
from tests.factories import make_car, make_user
from tests.integration.test_garage_pages import subscribe
owner = make_user("lighthouse@demo.test")
car, _other = make_car(owner), make_car(owner)
paid = subscribe(car, owner)
for number in range(12):
    Invoice.objects.create(
        stripe_invoice_id=f"in_lighthouse_{number}", subscription=paid, number=f"A-{number}",
        status="paid", currency="usd", total=1080, tax=80, amount_paid=1080,
        created_at=clock.now(), pdf_url="https://example.com/a.pdf",
    )
client = Client()
client.force_login(owner, backend="allauth.account.auth_backends.AuthenticationBackend")
session = next(iter(client.cookies.values())).value
print(json.dumps({"session": session, "car": str(car.vehicle.id)}))
"""


def main() -> int:
    """Look, print the marks; 1 where one of them is too low."""
    wanted = _asked()
    with tempfile.TemporaryDirectory() as folder, started(fresh_shell(Path(folder))) as run:
        filled = run.manage("shell", "--no-imports", "-c", FILL)
        if filled.returncode:
            sys.exit(filled.stderr)
        owner = json.loads(filled.stdout.splitlines()[-1])
        pages = {
            "landing": "/",
            "garage": "/garage/",
            "car": f"/garage/{owner['car']}/",
            "invoices": "/billing/invoices/",
        }
        with _as_in_production(run) as site:
            print("| page | " + " | ".join(CATEGORIES) + " | KB | what takes from it |")
            print("|---|" + "---|" * (len(CATEGORIES) + 2))
            low = False
            for name, path in pages.items():
                session = "" if name == "landing" else owner["session"]
                looks = [
                    _look(wanted.lighthouse, site + path, session) for _ in range(wanted.rounds)
                ]
                low |= _told(name, looks)
    return int(low)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lighthouse", help="node_modules/.bin/lighthouse, wherever it is")
    parser.add_argument("--rounds", type=int, default=5, help="looks at each page")
    return parser.parse_args()


@contextlib.contextmanager
def _as_in_production(run: Run) -> Iterator[str]:
    """A web process without DEBUG on the running system's servers; its address."""
    port = free_port()
    left_out = {"EMBEDDED", "CLOCK_FILE", "DEBUG"}
    joined = {name: value for name, value in run.joined().items() if name not in left_out}
    own = {
        "DEBUG": "0",
        "ALLOWED_HOSTS": "localhost",
        "WEB_PORT": str(port),
        "SELLER_NAME": "Lighthouse",
        "SELLER_ADDRESS": "1 Rock, Sea",
        "SUPPORT_EMAIL": "support@demo.test",
    }
    environ = {**run.environ, **joined, **own}
    ignored = [word for name in NOT_MEASURED for word in ("-i", name)]
    collect = (sys.executable, "manage.py", "collectstatic", "--noinput", "-v0", *ignored)
    subprocess.run(collect, cwd=ROOT, env=environ, check=True)
    command = (
        *(sys.executable, "-m", "gunicorn", "connectivity.wsgi:application"),
        *("--no-control-socket", "--forwarder-headers", "", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--preload"),
        *("--graceful-timeout", "3"),
    )
    with (run.data_dir / "production.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        site = f"http://localhost:{port}"
        assert soon(lambda: _answers(f"{site}/livez")), Path(log.name).read_text()
        yield site
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 -- localhost
            return bool(answer.status == 200)
    except OSError:
        return False


def _look(lighthouse: str, url: str, session: str) -> dict[str, Any]:
    """One look at a page, by whoever has this session."""
    headers = {"X-Forwarded-Proto": "https"}
    if session:
        headers["Cookie"] = f"__Host-session={session}"
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    command = (
        *(lighthouse, url, "--quiet", "--output=json", "--output-path=stdout"),
        *(f"--only-categories={','.join(CATEGORIES)}", f"--extra-headers={json.dumps(headers)}"),
        "--chrome-flags=--headless=new --no-sandbox --disable-background-networking",
    )
    environ = {**os.environ, "CHROME_PATH": chromium}
    for _ in range(TRIES):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
        if not done.returncode:
            break
    else:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["finalDisplayedUrl"] == url, f"{url} leads to {found['finalDisplayedUrl']}"
    return found


def _told(name: str, looks: list[dict[str, Any]]) -> bool:
    """Print a page's line; whether a mark is too low."""
    marks = [
        round(100 * statistics.median(look["categories"][each]["score"] or 0 for look in looks))
        for each in CATEGORIES
    ]
    size = statistics.median(look["audits"]["total-byte-weight"]["numericValue"] for look in looks)
    faults = ", ".join(sorted(_faults(looks[-1]))) or "nothing"
    shown = " | ".join(str(mark) for mark in marks)
    print(f"| {name} | {shown} | {size / 1000:.0f} | {faults} |", flush=True)
    return bool(min(marks) < WANTED)


def _faults(look: dict[str, Any]) -> set[str]:
    """The audits that count and are not passed in full."""
    counted = {
        each["id"]
        for category in look["categories"].values()
        for each in category["auditRefs"]
        if each["weight"]
    }
    audits = {name: look["audits"][name] for name in counted}
    return {
        name
        for name, audit in audits.items()
        if audit["scoreDisplayMode"] == "error"
        or (audit["score"] is not None and audit["score"] < GOOD)
    }


if __name__ == "__main__":
    raise SystemExit(main())
