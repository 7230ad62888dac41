"""What became of each parameter of a file, as a table and as counts."""

from collections import Counter
from typing import Literal, NamedTuple, get_args

Fate = Literal[
    "loaded",
    "folded",
    "set to 0",
    "set to its identity",
    "left at its initial value",
    "missing",
    "wrong shape",
    "not used",
]


class Row(NamedTuple):
    """What became of one parameter.

    Args:
        there: its name in the file; empty where the file has none.
        here: its name here; empty where it is not used.
        shape: in the file, or here where the file has none.
        fate: what became of it.
        remark: why, or how.
    """

    there: str
    here: str
    shape: tuple[int, ...]
    fate: Fate
    remark: str = ""


def summary(rows: list[Row]) -> str:
    """How many parameters had each fate, and why those that are not used are not."""
    fates = Counter(row.fate for row in rows)
    reasons = Counter(row.remark for row in rows if row.fate == "not used")
    told = ", ".join(f"{fates[fate]} {fate}" for fate in get_args(Fate) if fates[fate])
    return f"{told} ({', '.join(f'{count} {reason}' for reason, count in reasons.items())})" if reasons else told


def table(rows: list[Row]) -> str:
    """A line for each parameter: name in the file, shape, name here, what became of it."""
    lines = [("in the file", "shape", "here", "")]
    for row in rows:
        fate = f"{row.fate}: {row.remark}" if row.remark else row.fate
        lines.append((row.there or "-", shown(row.shape), row.here or "-", fate))
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[3]]).rstrip()
        for line in lines
    )


def shown(shape: tuple[int, ...]) -> str:
    """A shape as text: `64 x 3 x 7 x 7`."""
    return " x ".join(map(str, shape))
