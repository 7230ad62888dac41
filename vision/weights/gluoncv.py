"""GluonCV's own ResNets v1, as `save_parameters` of its model zoo wrote them (`features.0.weight`)."""

from pathlib import Path

from vision.parameters import read_parameters
from vision.weights.layout import PREFIX, Convolution
from vision.weights.source import Arrays, Preprocessing, Source

# Of torchvision's and GluonCV's networks alike.
SCALED_RGB = Preprocessing("RGB", (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255))


def read(path: Path, layout: list[Convolution]) -> Source:
    """Reads the file; the backbone has GluonCV's layers, so only the prefix of their names differs.

    Raises:
        UserError: the file is missing or damaged.
    """
    return of_arrays({name: array.asnumpy() for name, array in read_parameters(path).items()}, layout)


def of_arrays(arrays: Arrays, layout: list[Convolution]) -> Source:
    """The same for arrays that are read already."""
    return Source(
        format="GluonCV's ResNet v1",
        arrays=arrays,
        names={
            convolution.place: {
                role: parameter.name.removeprefix(PREFIX) for role, parameter in convolution.parameters.items()
            }
            for convolution in layout
        },
        unused=lambda name: "classifier" if name.startswith("output.") else "",
        preprocessing=SCALED_RGB,
        pool1="padded",
        stride_in="1x1",
        licence="Apache-2.0, GluonCV",
        trained_on="ImageNet",
    )
