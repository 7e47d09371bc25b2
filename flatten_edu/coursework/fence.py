"""A fence around a stranger's notebook: it writes in its own folder, and does not read solutions.

Python's audit hooks see every file that is opened and every process that is started, and cannot be
taken off again; on Linux the kernel (Landlock) refuses writes outside the folder as well, also to
code that goes round Python. It is a fence, not a prison: notebooks of people whom you do not know
at all belong into a virtual machine.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    *("os.remove", "os.rmdir", "os.rename", "os.mkdir", "os.chmod", "os.chown", "os.link"),
    *("os.symlink", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
    *(
        "shutil.copymode",
        "shutil.copystat",
        "shutil.unpack_archive",
        "os.chflags",
        "sqlite3.connect",
    ),
}
LOOKS = {"os.listdir", "os.scandir", "os.walk", "glob.glob", "os.chdir"}
REFUSED = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("os.forkpty", "pty.spawn", "os.startfile", "os.kill", "os.killpg", "signal.pthread_kill"),
    *("socket.connect", "socket.bind", "socket.sendto", "_winapi.CreateProcess"),
}


def raise_fence(own: str, hidden: Sequence[str]) -> None:
    """From now on this process changes files in `own` only and does not read in `hidden`."""
    landlock(own)
    sys.addaudithook(guard(own, hidden))


def guard(own: str, hidden: Sequence[str]) -> Callable[[str, tuple], None]:
    """The audit hook: raises PermissionError for what is not allowed."""
    real, inside_of = os.path.realpath, os.path.commonpath
    own, hidden = real(own), [real(folder) for folder in hidden]

    def within(path: object, folder: str) -> bool:
        full = real(os.fsdecode(path))  # pyright: ignore[reportArgumentType]
        try:
            return inside_of((full, folder)) == folder
        except ValueError:  # another drive
            return False

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, mode, flags = args
            changes = bool(flags & WRITING) if isinstance(flags, int) else (mode or "r")[:1] != "r"
            check(path, changes)
        elif event in CHANGES:
            for path in args:
                check(path, True)
        elif event in LOOKS and args:
            check(args[0], False)
        elif event in REFUSED:
            raise PermissionError(f"{event} is not allowed while a notebook is marked")

    def check(path: object, changes: bool) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        if changes and not within(path, own) and path != os.devnull:
            raise PermissionError(f"only this notebook's own folder may be changed, not {path!r}")
        if any(within(path, folder) for folder in hidden):
            raise PermissionError(f"{path!r} may not be read while a notebook is marked")

    return hook


# Landlock's rights (linux/landlock.h): write, and from 4 to 14 remove, make, refer, truncate.
WRITE_RIGHTS = (1 << 1) | sum(1 << bit for bit in range(4, 15))
BY_VERSION = {1: sum(1 << bit for bit in range(13)), 2: sum(1 << bit for bit in range(14))}
CREATE, ADD, RESTRICT = 444, 445, 446


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64),)


class _Below(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def landlock(own: str) -> bool:
    """Let the kernel refuse changes outside `own`; False where it cannot."""
    if sys.platform != "linux":
        return False
    call = ctypes.CDLL(None, use_errno=True).syscall
    version = call(CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = WRITE_RIGHTS & BY_VERSION.get(version, WRITE_RIGHTS)
    rules = _Rules(rights)
    ruleset = call(CREATE, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if ruleset < 0:
        return False
    try:
        for folder in (own, "/dev"):
            place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            below = _Below(rights, place)
            call(ADD, ruleset, 1, ctypes.byref(below), 0)
            os.close(place)
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # no new privileges: the kernel asks for it
        return call(RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)
