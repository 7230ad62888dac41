"""Error messages of the readers of annotated images."""

from pathlib import Path

from data.common.errors import UserError

FIX = "fix it, or remove it from the data set"
NAMED = 3
NAMED_SPLITS = 6


def refuse_any(faults: list[str], place: Path, what: str, remedy: str) -> None:
    """Raises a `UserError` with the number of `faults` at `place` and the first ones, unless the list is empty."""
    if faults:
        raise UserError(f"{place}: {len(faults):,} {what}: {some(faults)}; {remedy}")


def some(names: list[str], most: int = NAMED) -> str:
    """The first names, for a message of one line.

    Example:
        >>> some(["a", "b", "c", "d"])
        'a, b, c, …'
    """
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def list_splits(folder: Path, prefix: str, suffix: str) -> str:
    """Lists the splits that have a file in `folder`, shortest names first, for an error message."""
    names = sorted(path.name.removeprefix(prefix).removesuffix(suffix) for path in folder.glob(f"{prefix}*{suffix}"))
    return f"available: {some(sorted(names, key=len), NAMED_SPLITS)}" if names else "none available"
