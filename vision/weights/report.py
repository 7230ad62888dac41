"""How each parameter of a file was used, as a table and as counts."""

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
    """How one parameter was used.

    Args:
        there: its name in the file; empty if it is not in the file.
        here: its name in our files; empty if it is not used.
        shape: in the file, or ours if it is not in the file.
        fate: how it was used.
        remark: why, or how exactly.
    """

    there: str
    here: str
    shape: tuple[int, ...]
    fate: Fate
    remark: str = ""


def summary(rows: list[Row]) -> str:
    """Counts the parameters by fate, and the unused ones by reason.

    Example:
        >>> summary([Row("conv1_w", "conv1.weight", (64, 3, 7, 7), "loaded"),
        ...          Row("fc_w", "", (1000, 2048), "not used", "classifier")])
        '1 loaded, 1 not used (1 classifier)'
    """
    fates = Counter(row.fate for row in rows)
    reasons = Counter(row.remark for row in rows if row.fate == "not used")
    told = ", ".join(f"{fates[fate]} {fate}" for fate in get_args(Fate) if fates[fate])
    return f"{told} ({', '.join(f'{count} {reason}' for reason, count in reasons.items())})" if reasons else told


def table(rows: list[Row]) -> str:
    """One line per parameter: name in the file, shape, our name, how it was used."""
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
