"""`make clean-data`: decides what may be removed so that the next start begins anew."""

import os
import shutil
import sys
from pathlib import Path

from connectivity.local.claim import claimed
from connectivity.local.environment import wishes
from connectivity.local.errors import CannotStart

ROOT = Path(__file__).resolve().parents[2]


def clear(data_dir: Path) -> str:
    """Remove a data directory that `make run` made and does not use now. Raises CannotStart."""
    if not data_dir.exists():
        return f"Nothing to remove: there is no {data_dir}."
    # APP_DATA_DIR may name anything, a home directory say; this is how ours is known.
    if not (data_dir / "secrets.env").exists():
        raise CannotStart(f"{data_dir} does not look like the data of `make run`; it is kept.")
    with claimed(data_dir):
        shutil.rmtree(data_dir)
    return f"Removed {data_dir}; the next `make run` begins anew."


def main() -> int:
    """Remove it, or say why not."""
    try:
        print(clear(wishes(os.environ, ROOT).data_dir))
    except CannotStart as problem:
        print(problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
