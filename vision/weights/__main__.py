"""Converts a file of ImageNet weights to ours: `python -m vision.weights SOURCE --backbone NAME --out FILE.params`."""

import argparse
from pathlib import Path

from data.common.errors import UserError, run_command
from vision.models.backbone import CHANNELS
from vision.weights.files import convert_file

EXAMPLES = """\
examples:
  python -m vision.weights R-101.pkl --backbone resnet101 --out resnet101.params
  python -m vision.weights resnet18-f37072fd.pth --backbone resnet18 --out resnet18.params
  python -m vision.weights model.safetensors --backbone resnet101 --out torchvision101.params
  python -m vision.weights open-nsfw.onnx --backbone resnet50_thin --out resnet50_thin.params

To train from the result: --set model.pretrained=FILE.params, with model.pool1 and model.stride_in as FILE.json says.
"""


def main() -> None:
    """Command line of `python -m vision.weights`."""
    parser = argparse.ArgumentParser(
        prog="python -m vision.weights",
        description="Converts a file of ImageNet weights and reports what became of every parameter. FILE.json next to "
        "the result says where it came from.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="the file; its format is recognised by its content")
    parser.add_argument("--backbone", required=True, choices=CHANNELS, help="the network that it is of")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.params", help="the file to write")
    parser.add_argument("--verbose", action="store_true", help="print a line for every parameter, not only the counts")
    arguments = parser.parse_args()
    if arguments.out.suffix != ".params":
        raise UserError(f"{arguments.out}: must end in .params; give another --out")
    convert_file(arguments.source, arguments.backbone, arguments.out, arguments.verbose)


if __name__ == "__main__":
    run_command(main)
