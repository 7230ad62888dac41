"""Imports checkpoints of the authors' code of Relation Networks, and exports ours in their format.

`python -m vision.relation_networks import FILE.params --out …` and `… export RUN --out FILE.params`
"""

import argparse
from pathlib import Path

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import count_from_1, data_folder
from vision.config import Config

NETWORK = Path("vision/configs/paper/minicoco/rn.yaml")
CLASSES = {"minicoco": 80, "voc07": 20}

EXAMPLES = """\
examples:
  python -m vision.relation_networks import rcnn_coco-0008.params --out relation_networks.params
  python -m vision.relation_networks import rcnn_coco-0008.params --config vision/configs/paper/minicoco/base.yaml \
    --out without_relations.params
  python -m vision.relation_networks import resnet_v1_101-0000.params --allow-missing --out backbone.params
  python -m vision.relation_networks import rcnn_coco-0008.params --runs runs/imported    (predict without training)
  python -m vision.relation_networks export runs/paper/minicoco/base/seed0 --out base-0008.params
"""


def main() -> None:
    """Command line of `python -m vision.relation_networks`."""
    arguments = _parse_arguments()
    from vision.relation_networks.checkpoint import export_run, import_checkpoint, import_run

    if arguments.command == "export":
        return export_run(arguments.run, arguments.out)
    config = read_config(Config, arguments.config)
    if arguments.runs:
        return import_run(arguments.checkpoint, arguments.runs, config, arguments.data or data_folder())
    classes = arguments.classes or CLASSES.get(config.dataset)
    if not classes:
        raise UserError(f"{arguments.config}: the number of categories of {config.dataset} is unknown; give --classes")
    import_checkpoint(arguments.checkpoint, arguments.out, config.model, classes, arguments.allow_missing)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m vision.relation_networks",
        description="Imports and exports checkpoints of the authors' code of Relation Networks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser(
        "import", help="read a checkpoint of their code and report how each parameter is used"
    )
    importing.add_argument("checkpoint", type=Path, help="their .params file: a detector or an ImageNet backbone")
    results = importing.add_mutually_exclusive_group(required=True)
    results.add_argument("--out", type=Path, help="write a .params file with our names, to train from")
    results.add_argument("--runs", type=Path, help="make a finished run (seed 0) below this folder, to predict with")
    importing.add_argument("--config", type=Path, default=NETWORK, help=f"config of the network (default: {NETWORK})")
    importing.add_argument(
        "--classes", type=count_from_1, help="with --out: number of categories (default: 80 for minicoco, 20 for voc07)"
    )
    importing.add_argument(
        "--allow-missing",
        action="store_true",
        help="with --out: accept an incomplete checkpoint",
    )
    importing.add_argument("--data", type=Path, help="with --runs: folder of the data sets, for the category names")
    exporting = commands.add_parser("export", help="write the network of a finished run in their format")
    exporting.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    exporting.add_argument("--out", type=Path, required=True, help=".params file to write")
    arguments = parser.parse_args()
    if arguments.command == "import":
        if arguments.runs and (arguments.classes or arguments.allow_missing):
            parser.error("--runs needs a complete detector; remove --classes and --allow-missing")
        if arguments.out and arguments.data:
            parser.error("--out reads no data set; remove --data")
    return arguments


if __name__ == "__main__":
    run_command(main)
