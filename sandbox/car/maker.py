"""Has the service know the cars of a fleet, by the command that any maker uses; it must never know
the service by anything else.
"""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


class NotTakenError(Exception):
    """The service did not take all cars; the text says what to do."""


def provision(manifest: str, file: Path) -> None:
    """Imports these cars, which changes nothing for those that are known. Raises NotTakenError."""
    file.write_text(manifest)
    command = (sys.executable, "manage.py", "import_vehicles", str(file))
    if subprocess.run(command, cwd=_ROOT, check=False).returncode:
        raise NotTakenError(
            f"Not all cars of {file} were imported, as said above. Is `make run` running, with the "
            "same APP_DATA_DIR? If the cars' storage was lost, their keys were too: begin anew "
            "with `make clean-data`. --no-import drives cars that were imported elsewhere."
        )
