#!/bin/sh
# Makes .venv exactly as uv.lock says. A machine needs Python >= 3.11 for it, and nothing else:
# where uv is missing, it is put into .venv first.
set -eu

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    # A name on PATH proves little: a version manager leaves names that only complain.
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed, and was not found as python3 or python3.11 to python3.14." >&2
    echo "Install one (Debian: apt-get install python3 python3-venv), or name it: make env PYTHON=/path" >&2
    exit 1
}

python=$(find_python)

if [ -x .venv/bin/python ] && ! usable .venv/bin/python; then
    echo "The Python that .venv was made from is gone; making .venv anew."
    rm -rf .venv
fi

if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    uv=.venv/bin/uv
    if [ ! -x "$uv" ]; then
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            echo "$python has no venv module (Debian keeps it in a package of its own)." >&2
            echo "Install it: apt-get install python$version-venv     or install uv: https://docs.astral.sh/uv/" >&2
            exit 1
        fi
        echo "Making .venv with $python ..."
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13'
    fi
fi

echo "Installing what uv.lock names ..."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; fi
UV_PROJECT_ENVIRONMENT=.venv "$uv" sync --frozen --quiet --python "$python"
