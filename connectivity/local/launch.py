"""Becomes a child of the supervisor: who it runs as, and that it dies with its parent.

Run as a script, `python -I -S launch.py PARENT SIGNAL ACCOUNT PROGRAM [ARGUMENT...]`, so that what
happens between fork and exec happens in a process of its own and never in a copy of a threaded
one. Must never know which program it becomes.
"""

import ctypes
import os
import pwd
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1

# The exit status that says: the account was refused, the program was not tried.
REFUSED = 125


def unprivileged_user() -> pwd.struct_passwd:
    """Return `nobody`, or else the first account that is not root: PostgreSQL wants a name."""
    others = [user for user in pwd.getpwall() if user.pw_uid != 0]
    if not others:
        raise OSError("this machine knows no account but root")
    return next((user for user in others if user.pw_name == "nobody"), others[0])


def enter_namespace() -> None:
    """Look, to itself, like an ordinary user, while every file stays the caller's own."""
    user = unprivileged_user()
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are refused")
    # The kernel takes a group map from an ordinary process only after setgroups is given up.
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user.pw_uid} {uid} 1")
    _write("/proc/self/gid_map", f"{user.pw_gid} {gid} 1")


def become_nobody() -> None:
    """Give up root for good."""
    user = unprivileged_user()
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def die_with(parent: int, signal_number: int) -> None:
    """Ask the kernel for a signal when the parent is gone, however it went.

    Comes last of all, since a change of account clears the request. It is the parent's *thread*
    that counts, so the supervisor starts children from its main thread alone.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(REFUSED)


def main() -> None:
    """Take the account, tie the life to the parent's, become the program."""
    parent, signal_number, account, *program = sys.argv[1:]
    try:
        if account == "namespace":
            enter_namespace()
        elif account == "nobody":
            become_nobody()
    except OSError as error:
        sys.stderr.write(f"launch: {error}\n")
        sys.exit(REFUSED)
    die_with(int(parent), int(signal_number))
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
