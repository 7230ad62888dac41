"""Maps the arrays of a file to the parameters of a backbone, and reports how each was used."""

from pathlib import Path

import numpy as np

from vision.models.backbone import PIXEL_MEANS
from vision.weights.layout import Convolution, Parameter
from vision.weights.report import Row, shown
from vision.weights.source import Arrays, Preprocessing, Source, refuse

OURS = Preprocessing("RGB", PIXEL_MEANS)
EPSILON = 1e-5  # of every BatchNorm, in this project and in all formats
# Values with which a BatchNorm, or the bias of a convolution, has no effect.
IDENTITY = {"bias": 0.0, "gamma": 1.0, "beta": 0.0, "running_mean": 0.0, "running_var": 1.0 - EPSILON}


def convert(path: Path, source: Source, layout: list[Convolution]) -> tuple[Arrays, list[Row]]:
    """Returns all parameters of a backbone in float32, and one row per parameter.

    Args:
        path: the file, for messages.
        source: its content.
        layout: the convolutions of the backbone.

    Raises:
        UserError: the file belongs to another network, is damaged, or contains numbers that are not finite.
    """
    arrays: Arrays = {}
    rows: list[Row] = []
    for convolution in layout:
        names = source.names[convolution.place]
        for role, parameter in convolution.parameters.items():
            array, row = _take(source.arrays, names.get(role), parameter, IDENTITY.get(role))
            arrays[parameter.name] = array
            rows.append(row)
        if "bias" in names and "bias" not in convolution.parameters:
            rows.append(_fold_bias(source.arrays, names["bias"], convolution.parameters["running_mean"], arrays))
    used = {row.there for row in rows}
    rows += [
        Row(name, "", array.shape, "not used", source.unused(name))
        for name, array in source.arrays.items()
        if name not in used
    ]
    _require_fit(path, source, rows)
    if source.preprocessing != OURS:
        rows = _fold_preprocessing(source.preprocessing, layout[0], arrays, rows)
    with np.errstate(over="ignore"):
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    _require_valid(path, arrays, rows)
    return arrays, rows


def _take(
    found: Arrays, there: str | None, parameter: Parameter, identity: float | None
) -> tuple[np.ndarray | None, Row]:
    """The float64 array of a parameter, or None if the file does not contain a valid one."""
    here, shape = parameter
    if there is None and identity is not None:
        return np.full(shape, identity), Row("", here, shape, "set to its identity", f"{identity:g}")
    if there not in found:
        return None, Row(there or "", here, shape, "missing")
    array = found[there]
    if array.shape != shape or array.dtype.kind != "f":
        remark = f"must be {shown(shape)} and floating point"
        return None, Row(there, here, array.shape, "wrong shape", remark)
    return array.astype(np.float64), Row(there, here, shape, "loaded")


def _fold_bias(found: Arrays, there: str, mean: Parameter, arrays: Arrays) -> Row:
    """Subtracts the bias of a convolution that has none here from the running mean after it, which is equivalent."""
    bias, row = _take(found, there, mean, None)
    if bias is None:
        return row
    if arrays[mean.name] is not None:
        arrays[mean.name] -= bias
    return row._replace(fate="folded", remark="subtracted from the running mean")


def _require_fit(path: Path, source: Source, rows: list[Row]) -> None:
    problems = [row for row in rows if row.fate in ("missing", "wrong shape")]
    if problems:
        first = problems[0]
        detail = f"{shown(first.shape)}, {first.remark}" if first.remark else first.fate
        raise refuse(
            path,
            f"does not fit this backbone as {source.format}: {len(problems)} parameters are missing or have the wrong "
            f"shape, the first is {first.there} ({detail})",
            "give the --backbone that it belongs to, or a complete file",
        )
    if extra := [row.there for row in rows if row.fate == "not used" and not row.remark]:
        raise refuse(
            path,
            f"contains, as {source.format}, {len(extra)} arrays that this backbone does not have, the first is "
            f"{extra[0]!r:.80}",
            "give the --backbone that it belongs to",
        )


def _require_valid(path: Path, arrays: Arrays, rows: list[Row]) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all() or (name.endswith("running_var") and (array < 0).any()):
            there = next((row.there for row in rows if row.here == name and row.there), name)
            raise refuse(path, f"{there} contains numbers that are not finite, or a negative variance")


def _fold_preprocessing(images: Preprocessing, conv1: Convolution, arrays: Arrays, rows: list[Row]) -> list[Row]:
    """Changes conv1 and the running mean after it so that they take RGB minus `PIXEL_MEANS`, without division.

    conv1 of (x − m) / s equals conv1 / s of x − p, plus the response of conv1 / s to the constant image p − m. Away
    from the edges this response is one constant per channel, which is subtracted from the running mean. Within three
    pixels of the edge, conv1 sees padding: zeros stand for color p here and stood for color m there. p and m differ by
    at most 1.1 of 255 in all formats, so the difference is small; the tests measure it.
    """
    weight, mean = conv1.parameters["weight"].name, conv1.parameters["running_mean"].name
    to_rgb = [images.channels.index(channel) for channel in "RGB"]
    means, stds = (np.array(each)[to_rgb] for each in (images.means, images.stds))
    arrays[weight] = arrays[weight][:, to_rgb] / stds.reshape(1, 3, 1, 1)
    arrays[mean] = arrays[mean] - np.einsum("ochw,c->o", arrays[weight], PIXEL_MEANS - means)
    remarks = {weight: "channels to RGB, divided by the stds", mean: "means of the images"}
    return [row._replace(fate="folded", remark=remarks[row.here]) if row.here in remarks else row for row in rows]
