"""A `manage.py` that stays: it takes its commands as lines, and so loads Django once for them all.

A line is a JSON list of a command's words; the answer is one of its exit code and what it printed.
It must never know what the commands do.
"""

import contextlib
import io
import json
import os
import sys
import traceback

from django.core.management import execute_from_command_line
from django.db import connections


def done(words: list[str]) -> tuple[int, str, str]:
    """What becomes of one command."""
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute_from_command_line(["manage.py", *words])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception:  # noqa: BLE001 -- whoever asked is told
            traceback.print_exc()
            code = 1
        finally:
            connections.close_all()
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.web")
    for line in sys.stdin:
        print(json.dumps(done(json.loads(line))), flush=True)  # noqa: T201 -- this is the answer
