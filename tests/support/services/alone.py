"""Programs in a network namespace of their own: every port is free there, and nobody else sees what listens.

`python -m tests.support.services.alone PROGRAM ARGUMENTS…`, called by `alone()`, is the first program in it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def alone() -> list[str] | None:
    """Return the beginning of a command line; the rest of it runs in a namespace that has a loopback interface.

    Returns:
        None if the system has no namespaces, or keeps them for root.
    """
    if unshare := shutil.which("unshare"):
        for options in (["--net"], ["--net", "--map-root-user"]):
            here = [unshare, *options, "--", sys.executable, "-m", "tests.support.services.alone"]
            tried = subprocess.run([*here, "true"], capture_output=True, check=False)
            if tried.returncode == 0:
                return here
    return None


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


if __name__ == "__main__":
    _raise_loopback()
    os.execvp(sys.argv[1], sys.argv[1:])
