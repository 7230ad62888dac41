"""Maps the arrays of a file to the parameters of a backbone, and says what became of each."""

from pathlib import Path

import numpy as np

from vision.models.backbone import PIXEL_MEANS
from vision.weights.layout import Convolution, Parameter
from vision.weights.report import Row, shown
from vision.weights.source import Arrays, Preprocessing, Source, refuse

OURS = Preprocessing("RGB", PIXEL_MEANS)
EPSILON = 1e-5  # of every BatchNorm, here as in all formats
# BatchNorm with these, and a convolution without a bias, changes nothing.
IDENTITY = {"bias": 0.0, "gamma": 1.0, "beta": 0.0, "running_mean": 0.0, "running_var": 1.0 - EPSILON}


def convert(path: Path, source: Source, layout: list[Convolution]) -> tuple[Arrays, list[Row]]:
    """All parameters of a backbone, float32, from the file `path` that was read as `source`; and a row for each.

    Raises:
        UserError: the file is of another network, damaged, or has numbers that are not finite.
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
    rows += _left_over(source, {row.there for row in rows})
    _require_fit(path, source, rows)
    if source.preprocessing != OURS:
        rows = _fold_preprocessing(source.preprocessing, layout[0], arrays, rows)
    with np.errstate(over="ignore"):
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all() or (name.endswith("running_var") and (array < 0).any()):
            raise refuse(path, f"not all numbers of {_source_of(rows, name)} are finite, or a variance is negative")
    return arrays, rows


def _take(
    found: Arrays, there: str | None, parameter: Parameter, identity: float | None
) -> tuple[np.ndarray | None, Row]:
    """The array for a parameter, float64; None where the file does not have it as it should."""
    here, shape = parameter
    if there is None and identity is None:
        return None, Row("", here, shape, "missing")
    if there is None:
        return np.full(shape, identity), Row("", here, shape, "set to its identity", f"{identity:g}")
    if there not in found:
        return None, Row(there, here, shape, "missing")
    array = found[there]
    if array.shape != shape or array.dtype.kind != "f":
        remark = f"must be {shown(shape)} and floating point"
        return None, Row(there, here, array.shape, "wrong shape", remark)
    return array.astype(np.float64), Row(there, here, shape, "loaded")


def _fold_bias(found: Arrays, there: str, mean: Parameter, arrays: Arrays) -> Row:
    """Takes the bias of a convolution that has none here off the running mean after it, which does the same."""
    bias, row = _take(found, there, mean, None)
    if bias is None:
        return row
    if arrays[mean.name] is not None:
        arrays[mean.name] -= bias
    return row._replace(fate="folded", remark="taken off the running mean")


def _left_over(source: Source, used: set[str]) -> list[Row]:
    return [
        Row(name, "", array.shape, "not used", source.unused(name))
        for name, array in source.arrays.items()
        if name not in used
    ]


def _require_fit(path: Path, source: Source, rows: list[Row]) -> None:
    problems = [row for row in rows if row.fate in ("missing", "wrong shape")]
    if problems:
        first = problems[0]
        detail = f"{shown(first.shape)}, {first.remark}" if first.remark else first.fate
        raise refuse(
            path,
            f"as {source.format} does not fit this backbone: {len(problems)} parameters are missing or of wrong shape, "
            f"first {first.there} ({detail})",
            "give the --backbone that it is of, or a complete file",
        )
    if strangers := [row.there for row in rows if row.fate == "not used" and not row.remark]:
        raise refuse(
            path,
            f"as {source.format} has {len(strangers)} arrays that this backbone lacks, first {strangers[0]!r:.80}",
            "give the --backbone that it is of",
        )


def _fold_preprocessing(images: Preprocessing, conv1: Convolution, arrays: Arrays, rows: list[Row]) -> list[Row]:
    """Changes conv1 and the running mean after it so that they take RGB less `PIXEL_MEANS`, not divided.

    conv1 of (x − m) / s equals conv1 / s of x − p, plus what conv1 / s makes of the constant image p − m. Away from the
    edges that is a constant per channel, which is taken off the running mean. Within three pixels of the edge the
    padding of conv1 counts: zeros are pixels of colour p here and were of colour m. p and m differ by at most 1.1 of
    255 in all formats, so the difference there is small; the tests measure it.
    """
    weight, mean = conv1.parameters["weight"].name, conv1.parameters["running_mean"].name
    to_rgb = [images.channels.index(channel) for channel in "RGB"]
    means, stds = (np.array(each)[to_rgb] for each in (images.means, images.stds))
    arrays[weight] = arrays[weight][:, to_rgb] / stds.reshape(1, 3, 1, 1)
    arrays[mean] = arrays[mean] - np.einsum("ochw,c->o", arrays[weight], PIXEL_MEANS - means)
    remarks = {weight: "channels to RGB, divided by the stds", mean: "means of the images"}
    return [row._replace(fate="folded", remark=remarks[row.here]) if row.here in remarks else row for row in rows]


def _source_of(rows: list[Row], here: str) -> str:
    return next((row.there for row in rows if row.here == here and row.there), here)
