"""Converts a file of ImageNet weights: `python -m vision.weights SOURCE --backbone NAME --out FILE.params`."""

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

To train from the result: --set model.pretrained=FILE.params, with model.pool1 and model.stride_in as in FILE.json.
"""


def main() -> None:
    """Command line of `python -m vision.weights`."""
    parser = argparse.ArgumentParser(
        prog="python -m vision.weights",
        description="Converts a file of ImageNet weights and reports how each parameter was used. FILE.json, written "
        "next to the result, records the source.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="file to convert; its format is detected from its content")
    parser.add_argument("--backbone", required=True, choices=CHANNELS, help="network that the weights belong to")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.params", help="file to write")
    parser.add_argument("--verbose", action="store_true", help="print one line per parameter")
    arguments = parser.parse_args()
    if arguments.out.suffix != ".params":
        raise UserError(f"{arguments.out}: must end in .params; give another --out")
    convert_file(arguments.source, arguments.backbone, arguments.out, arguments.verbose)


if __name__ == "__main__":
    run_command(main)
