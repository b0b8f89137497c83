"""`make messages`: writes the message files anew; with `--check`, only says what differs.

The sources are read in a copy: makemessages leaves files beside templates while it runs. A new text
is left without a translation, never guessed: a fuzzy one would be shown to nobody and look done.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.running import ROOT

NEEDED = "xgettext"
MISSING = "The message files need gettext: apt-get install gettext"
SOURCES = ("billing", "connectivity", "fleet", "templates", "manage.py")
LANGUAGES = ("de",)
FILE = Path("LC_MESSAGES") / "django.po"
# When it was written is what git knows.
_WRITTEN = re.compile(r'^"(POT-Creation-Date|PO-Revision-Date):.*\n', re.MULTILINE)


def main() -> None:
    """Write them, or say how they differ from what would be written."""
    if not shutil.which(NEEDED):
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        made = collected(Path(folder))
        if "--check" in sys.argv:
            sys.exit(1 if _differ(made) else 0)
        for language in LANGUAGES:
            target = ROOT / "locale" / language / FILE
            shutil.copyfile(made / language / FILE, target)
            compiled(target, target.with_suffix(".mo"))


def collected(folder: Path) -> Path:
    """Return a folder `locale` as makemessages writes it from the sources as they are now."""
    names = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *SOURCES]
    listed = subprocess.run(names, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if "/migrations/" not in name and name.endswith((".py", ".html", ".txt")):
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).exists():
                shutil.copyfile(ROOT / name, copy)
    shutil.copytree(ROOT / "locale", folder / "locale")
    command = [sys.executable, "-m", "django", "makemessages", "--no-location", "--no-obsolete"]
    command += ["--verbosity", "0", *(f"--locale={language}" for language in LANGUAGES)]
    # It needs no settings, and those of the project would bring their own folders in.
    bare = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=folder, env=bare, check=True)
    for language in LANGUAGES:
        _settle(folder / "locale" / language / FILE)
    return folder / "locale"


def _settle(path: Path) -> None:
    """Leave guesses out, and the dates that would differ each time."""
    clear = ["msgattrib", "--clear-fuzzy", "--empty", "--only-fuzzy", "--no-obsolete"]
    fuzzy = subprocess.run([*clear, path], check=True, capture_output=True).stdout
    if fuzzy:
        rest = subprocess.run(
            ["msgattrib", "--no-fuzzy", path], check=True, capture_output=True
        ).stdout
        both = [path.with_suffix(".rest"), path.with_suffix(".fuzzy")]
        for part, text in zip(both, (rest, fuzzy), strict=True):
            part.write_bytes(text)
        subprocess.run(["msgcat", "--use-first", *both, "-o", path], check=True)
    path.write_text(_WRITTEN.sub("", path.read_text()))


def compiled(source: Path, target: Path) -> None:
    """Compile a message file; what is wrong with a placeholder is an error."""
    subprocess.run(["msgfmt", "--check-format", source, "-o", target], check=True)


def _differ(made: Path) -> bool:
    return any(
        subprocess.run(
            ["diff", "-u", ROOT / "locale" / language / FILE, made / language / FILE]
        ).returncode
        for language in LANGUAGES
    )


if __name__ == "__main__":
    main()
