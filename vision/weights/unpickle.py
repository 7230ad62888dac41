"""Reads pickles of strange origin: none of the classes and functions that they name is looked up."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from data.common.errors import UserError
from vision.weights.source import refuse

REMEDY = "do not open it with other programs, and get another copy"

Admitted = dict[tuple[str, str], Any]  # by module and name


class Unpickler(pickle.Unpickler):
    """Knows the names in `admitted` and no others.

    A pickle calls what it names. So `admitted` should hold stand-ins that only take down what they are called with, and
    never a function of a library.

    Args:
        path: the file, for messages.
        stream: what to read.
        admitted: what stands for each name.
        persistent: what stands for each persistent id; without it there may be none.
    """

    def __init__(
        self, path: Path, stream: IO[bytes], admitted: Admitted, persistent: Callable[[Any], Any] | None = None
    ):
        super().__init__(stream, encoding="latin-1")  # Python 2 wrote the bytes of arrays as strings.
        self._path, self._admitted, self._persistent = path, admitted, persistent

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._admitted:
            named = f"{module}.{name}"
            raise refuse(self._path, f"names {named!r:.80}, which no weights need; nothing was run", REMEDY)
        return self._admitted[module, name]

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent is None:
            raise ValueError("a persistent id")
        return self._persistent(pid)

    def load(self) -> Any:
        """The next object of the stream.

        Raises:
            UserError: it names something else, or is damaged.
        """
        try:
            return super().load()
        except UserError:
            raise
        except Exception as error:  # Of a garbled pickle, anything may come.
            raise refuse(self._path, f"is damaged ({str(error) or type(error).__name__})") from None
