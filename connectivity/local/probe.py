"""Decides whether a process answers yet; must never know what it would say."""

import http.client
import socket

TIMEOUT = 2.0  # seconds


def listens(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((host, port), TIMEOUT):
            return True
    except OSError:
        return False


def ready(port: int) -> bool:
    """Whether the process on this loopback port says that it is ready to serve."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
