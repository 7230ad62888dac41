"""Reports a mistake of the user as one line, with exit code 2."""

import errno
import os
import signal
import sys
from collections.abc import Callable

# What the user can do about an error of the operating system.
REMEDIES = {
    errno.EACCES: "use a folder that you can write to",
    errno.EPERM: "use a folder that you can write to",
    errno.EROFS: "use a folder that you can write to",
    errno.ENOSPC: "free some disk space and rerun the command",
    errno.EDQUOT: "free some of your quota and rerun the command",
    errno.EEXIST: "something with this name exists; move it, or use another folder",
    errno.ENOTDIR: "a file is in the place of a folder; move it, or use another folder",
    errno.EISDIR: "a folder is in the place of a file; move it, or use another name",
}


class UserError(Exception):
    """A mistake that the user can fix. The message names the file or option, what is wrong, and what to do.

    Example:
        >>> raise UserError("photo.jpg: not an image; remove it")
        Traceback (most recent call last):
        data.common.errors.UserError: photo.jpg: not an image; remove it
    """


def run_command(main: Callable[[], None]) -> None:
    """Runs a command-line entry point.

    A `UserError` or an error of the operating system (no permission, full disk) prints one line to standard error and
    exits with code 2. Ctrl-C and SIGTERM, which batch systems send, print one line and exit with code 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
        print(end="", flush=True)  # A failed write is reported here instead of at exit.
    except UserError as error:
        _stop(str(error))
    except BrokenPipeError:
        sys.exit(128 + signal.SIGPIPE)  # As other tools exit if `head` closes the pipe.
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}; {REMEDIES.get(error.errno, 'fix it and rerun the command')}")
    except KeyboardInterrupt:
        print("interrupted; rerun the command to resume from the last finished step", file=sys.stderr)
        sys.exit(130)
    finally:
        _discard_unwritable_output()


def _discard_unwritable_output() -> None:
    """Empties standard output if it is broken; otherwise Python prints an error of its own at exit."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
