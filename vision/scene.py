"""Trains on scenes (Table 5): `python -m vision.scene CONFIG --seed K`. The training is in `vision.scenes.train`."""

from pathlib import Path

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import choose_gpus, training_parser
from data.common.runs import RunFolder
from vision.options import add_workers_option, gigabytes
from vision.scenes.config import SceneConfig

EXAMPLE = """\
example: the supervised network of Table 5, which uses the weights of runs/paper/minicoco/fan-sup/seed0
  python -m vision.scene vision/configs/paper/mit67/fan-sup.yaml --seed 0

Rerun the command to resume an interrupted run; a finished run is left as it is. Then:
  python -m vision.predict runs/paper/mit67/fan-sup/seed0 --scene
  python -m scripts.evaluate classification runs/paper/mit67/fan-sup/seed0
"""


def main() -> None:
    """Command line of `python -m vision.scene`."""
    parser = training_parser("vision", EXAMPLE, module="scene")
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="RUN",
        help="folder of the detection run that provides the weights (default: the run of the same preset and seed that "
        "model.pretrained names)",
    )
    parser.add_argument(
        "--memory",
        type=gigabytes,
        default=1,
        metavar="GB",
        help="memory for the output of the frozen layers, which is the same in every epoch; what does not fit is "
        "recomputed (default: %(default)s)",
    )
    add_workers_option(parser)
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    config = read_config(SceneConfig, arguments.config, arguments.set)
    run = RunFolder.claim(arguments.runs, config, arguments.seed)
    if run.finished:
        print(f"{run.path}: training has ended already")
        return
    # Imported late, so that --help and finished runs do not wait for MXNet.
    from vision.scenes.train import run_training

    run_training(config, run, arguments)


if __name__ == "__main__":
    run_command(main)
