"""Decides what a person is told who has started everything; must never know how that was done."""

from connectivity.local.environment import Wishes


def greeting(wished: Wishes, seconds: float) -> str:
    """Return the few lines that say where to go, how to sign in, and how to stop."""
    lines = [
        "",
        f"  Premium Connectivity is running, after {seconds:.1f} s.",
        "",
        *_rows([*_addresses(wished), *_people(wished)]),
        "",
        *_rows(_housekeeping(wished)),
        "",
    ]
    return "\n".join(lines)


def _addresses(wished: Wishes) -> list[tuple[str, str]]:
    ports = wished.ports
    own = [
        ("The site", f"http://localhost:{ports.web}/"),
        ("For staff", f"http://localhost:{ports.web}/admin/"),
        ("For cars", f"http://localhost:{ports.edge}/vehicle/v1/"),
    ]
    if not wished.sandbox:
        return own
    sandbox = f"http://localhost:{ports.sandbox}"
    return [*own, ("The car", f"{sandbox}/car/"), ("The mailbox", f"{sandbox}/mail/")]


def _people(wished: Wishes) -> list[tuple[str, str]]:
    where = "to the mailbox" if wished.sandbox else f"to {wished.data_dir / 'mail'}"
    if "EMAIL_URL" in wished.given:
        where = "by mail"
    return [("Sign in as", f"owner@demo.test or staff@demo.test; the code comes {where}")]


def _housekeeping(wished: Wishes) -> list[tuple[str, str]]:
    data_dir = wished.data_dir
    start_over = f"stop, then: rm -r {data_dir}"
    if not wished.given.get("APP_DATA_DIR"):
        start_over = "stop, then: make clean-data"
    return [
        ("Data, logs", f"{data_dir}, {data_dir / 'log'}"),
        ("Stop", "Ctrl-C; the data stay, and `make run` goes on with them"),
        ("Start over", start_over),
    ]


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    return [f"    {label:<13}{text}" for label, text in rows]
