"""One clear line for a user's mistake, and exit code 2."""

import errno
import os
import signal
import sys
from collections.abc import Callable

# What to do where the system refuses.
REMEDIES = {
    errno.EACCES: "give a folder that you may write to",
    errno.EPERM: "give a folder that you may write to",
    errno.EROFS: "give a folder that you may write to",
    errno.ENOSPC: "free some space on its disk and give the same command again",
    errno.EDQUOT: "free some of your quota and give the same command again",
    errno.EEXIST: "something is in the way; move it, or give another folder",
    errno.ENOTDIR: "a file is where a folder should be; move it, or give another folder",
    errno.EISDIR: "a folder is where a file should be; move it, or give another name",
}


class UserError(Exception):
    """A mistake its user can mend: names the file or option, what is wrong with it, and what to do."""


def run_command(main: Callable[[], None]) -> None:
    """Runs a command-line entry point.

    A `UserError`, and what the system refuses (a folder without permission, a full disk), become one line on standard
    error and exit code 2; Ctrl-C, and the signal by which batch systems end a job, one line and 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
        print(end="", flush=True)  # What cannot be written should show here and not at exit.
    except UserError as error:
        _stop(str(error))
    except BrokenPipeError:
        sys.exit(128 + signal.SIGPIPE)  # As the shell's own tools end when `head` has seen enough.
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}; {REMEDIES.get(error.errno, 'mend that and try again')}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last whole step", file=sys.stderr)
        sys.exit(130)
    finally:
        _drop_what_cannot_be_written()


def _drop_what_cannot_be_written() -> None:
    """Empties standard output where it is broken: at exit, Python would complain of it in its own words."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
