"""GluonCV's own ResNets v1, as `save_parameters` of its model zoo wrote them (`features.0.weight`)."""

from vision.weights.layout import PREFIX, Convolution
from vision.weights.source import Arrays, Preprocessing, Source

# Of torchvision's and GluonCV's networks alike.
SCALED_RGB = Preprocessing("RGB", (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255))


def of_arrays(arrays: Arrays, layout: list[Convolution]) -> Source:
    """What the arrays of a file are. The backbone has GluonCV's layers, so only the prefix of their names differs."""
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
