"""Descriptions of everything that `python -m data.download` can install."""

from data.download.data_set import DataSet
from data.download.sources import DATA_SETS
from data.download.unpack import readable
from data.download.weights import WEIGHTS, Weights

ALL = (*DATA_SETS, *WEIGHTS)


def describe(entry: DataSet | Weights) -> str:
    """Returns title, use, licence, citation and home page, one per line."""
    return (
        f"{entry.name}: {entry.title}\n"
        f"  used for:  {entry.used_for}\n"
        f"  licence:   {entry.licence}\n"
        f"  citation:  {entry.citation}\n"
        f"  home page: {entry.homepage}"
    )


def table() -> str:
    """Returns a table of all data sets and weights: name, download size, title, use and licence."""
    lines = [f"{'NAME':<22} {'DOWNLOAD':>12}  DESCRIPTION, USE, LICENCE"]
    for entry in ALL:
        sizes = [max(address.size or 0 for address in file.addresses) for file in entry.files]
        download = ("" if all(sizes) else "over ") + readable(sum(sizes)) if any(sizes) else "unknown"
        lines.append(f"{entry.name:<22} {download:>12}  {entry.title}")
        lines.append(f"{'':<37}for {entry.used_for}")
        lines.append(f"{'':<37}{entry.licence}")
    return "\n".join(lines)
