"""Mistakes of the user: one clear line and exit code 2."""

import errno
import os
import signal
import sys
from collections.abc import Callable

# What to do about errors of the operating system.
REMEDIES = {
    errno.EACCES: "use a folder that you can write to",
    errno.EPERM: "use a folder that you can write to",
    errno.EROFS: "use a folder that you can write to",
    errno.ENOSPC: "free some disk space and rerun the command",
    errno.EDQUOT: "free some of your quota and rerun the command",
    errno.EEXIST: "move what is there, or use another folder",
    errno.ENOTDIR: "a file is where a folder is needed; move it, or use another folder",
    errno.EISDIR: "a folder is where a file is needed; move it, or use another name",
}


class UserError(Exception):
    """A mistake that the user can fix. The message has the form `PATH: what is wrong; what to do`."""


def run_command(main: Callable[[], None]) -> None:
    """Runs a command-line entry point.

    A `UserError` or an error of the operating system (no permission, disk full) becomes one line on standard error and
    exit code 2. Ctrl-C, and SIGTERM from batch systems, become one line and exit code 130.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
        print(end="", flush=True)  # Report a failed write here and not at exit.
    except UserError as error:
        _stop(str(error))
    except BrokenPipeError:
        sys.exit(128 + signal.SIGPIPE)  # like other tools in a pipe into `head`
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _stop(f"{place}{error.strerror or error}; {REMEDIES.get(error.errno, 'fix this and rerun the command')}")
    except KeyboardInterrupt:
        print("interrupted; rerun the command to resume", file=sys.stderr)
        sys.exit(130)
    finally:
        _discard_broken_output()


def _discard_broken_output() -> None:
    """Discards standard output if it cannot be written. Otherwise Python prints a message of its own at exit."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
