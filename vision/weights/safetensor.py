"""Files of safetensors with torchvision's names, as timm has them (`timm/resnet101.tv_in1k` on the Hugging Face hub).

The package checks the header: its length, that the ranges of all arrays lie in the file and do not overlap.
"""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from vision.weights import torchvision
from vision.weights.layout import Convolution
from vision.weights.source import Source, refuse


def read(path: Path, layout: list[Convolution]) -> Source:
    """Reads the file.

    Raises:
        UserError: it is damaged.
    """
    try:
        arrays = load(path.read_bytes())
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: of a type that NumPy does not have.
        raise refuse(path, f"is damaged, or not a file of safetensors ({error})") from None
    return torchvision.of_arrays(path, arrays, layout)
