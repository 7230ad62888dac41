"""Reads untrusted pickles without importing or calling anything that they name."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from data.common.errors import UserError
from vision.weights.source import refuse

REMEDY = "do not open it with other programs; get another copy"

Admitted = dict[tuple[str, str], Any]  # by module and name


class Unpickler(pickle.Unpickler):
    """Resolves the names in `admitted` and refuses all others.

    Loading a pickle calls the functions that it names, so `admitted` must contain stand-ins that only record their
    arguments, never functions of a library.

    Args:
        path: the file, for messages.
        stream: what to read.
        admitted: the stand-in for each name.
        persistent: returns the stand-in for a persistent id; if None, persistent ids are refused.

    Example:
        >>> import io, os, pickle
        >>> Unpickler(Path("R-50.pkl"), io.BytesIO(pickle.dumps({"conv1_w": [0.5]})), {}).load()
        {'conv1_w': [0.5]}
        >>> Unpickler(Path("R-50.pkl"), io.BytesIO(pickle.dumps(os.system)), {}).load()
        Traceback (most recent call last):
        data.common.errors.UserError: R-50.pkl: refusing to load it: it names 'posix.system', ...
    """

    def __init__(
        self, path: Path, stream: IO[bytes], admitted: Admitted, persistent: Callable[[Any], Any] | None = None
    ):
        super().__init__(stream, encoding="latin-1")  # Python 2 wrote the bytes of arrays as strings.
        self._path, self._admitted, self._persistent = path, admitted, persistent

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._admitted:
            named = f"{module}.{name}"
            raise refuse(self._path, f"refusing to load it: it names {named!r:.80}, which weights do not need", REMEDY)
        return self._admitted[module, name]

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent is None:
            raise ValueError("a persistent id")
        return self._persistent(pid)

    def load(self) -> Any:
        """Returns the next object of the stream.

        Raises:
            UserError: the pickle names something that is not admitted, or is damaged.
        """
        try:
            return super().load()
        except UserError:
            raise
        except Exception as error:  # A damaged pickle can raise any exception.
            raise refuse(self._path, f"is damaged ({str(error) or type(error).__name__})") from None
