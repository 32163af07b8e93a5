# SPDX-License-Identifier: AGPL-3.0-or-later
"""A server as our child: it dies with us, and one that a kill -9 left over is ended before the next starts.

On Linux the kernel sends the child SIGTERM when the thread that started it ends (PR_SET_PDEATHSIG). The request is
made by a tiny interpreter that then becomes the server, not by code between fork and exec: that would be unsafe in a
process with threads. Elsewhere a left-over server lives on until the next start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_LEASH: Final = """
import ctypes, os, sys
try:
    ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
except (AttributeError, OSError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""PR_SET_PDEATHSIG is 1, SIGTERM 15; a parent that died in between is seen by its number. exec keeps the request."""
END_S: Final = 5.0
"""How long a server may take to end after SIGTERM, before SIGKILL."""
_LOOK_S: Final = 0.02


def start_child(program: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start the program, an absolute path, without a shell; its stderr is ours to read.

    The calling thread must live as long as the child is wanted.
    """
    assert program.is_absolute()
    leash = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - a fixed program by absolute path, no shell
        [*leash, str(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )


def end_child(child: subprocess.Popen[str]) -> None:
    """End a child: SIGTERM, and SIGKILL for one that does not go within END_S."""
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def end_left_over(pid_file: Path, mark: str) -> bool:
    """End the server whose number the file holds, if its command line names `mark`; tell whether there was one."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return False
    if not _is_ours(pid, mark):
        return False
    for wish in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, wish)
        deadline_s = time.monotonic() + END_S
        while time.monotonic() < deadline_s:
            if not _is_ours(pid, mark):
                return True
            time.sleep(_LOOK_S)
    return True


def _is_ours(pid: int, mark: str) -> bool:
    """Tell whether a live process of that number was started with `mark` as one of its arguments."""
    return mark in _arguments(pid)


def _arguments(pid: int) -> list[str]:
    """Return a process's arguments, nothing for one that is gone: from /proc, where there is none from ps."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        return []
    found = subprocess.run(["/bin/ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603 - fixed program, a number
    return found.stdout.split()
