"""One clear line for a user's mistake, and exit code 2."""

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake its user can mend: names the file or option, what is wrong with it, and what to do."""


def run_command(main: Callable[[], None]) -> None:
    """Runs a command-line entry point.

    A `UserError`, and what the system refuses (a folder without permission, a full disk), become one line on standard
    error and exit code 2.
    """
    try:
        main()
    except UserError as error:
        _stop(str(error))
    except BrokenPipeError:
        # The reader of a pipe, `head` for one, has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last whole step", file=sys.stderr)
        sys.exit(130)


def _stop(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
