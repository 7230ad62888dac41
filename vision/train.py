"""Trains a detector: `python -m vision.train CONFIG --seed K`. The training itself is in `vision.engine`."""

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import choose_gpus, training_parser
from data.common.runs import RunFolder
from vision.config import Config
from vision.options import add_workers_option

EXAMPLE = """\
example: the supervised network of Tables 1, 3, 4 and 7 on VOC 2007
  python -m vision.train vision/configs/paper/voc07/fan-sup.yaml --seed 0

Rerun the command to resume an interrupted run; a finished run is left as it is. Then:
  python -m vision.predict runs/paper/voc07/fan-sup/seed0
  python -m scripts.evaluate detection runs/paper/voc07/fan-sup/seed0
"""


def main() -> None:
    """Command line of `python -m vision.train`."""
    parser = training_parser("vision", EXAMPLE)
    add_workers_option(parser)
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    config = read_config(Config, arguments.config, arguments.set)
    run = RunFolder.claim(arguments.runs, config, arguments.seed)
    if run.finished:
        print(f"{run.path}: training has ended already")
        return
    # Imported late, so that --help and finished runs do not wait for MXNet.
    from vision.engine import run_training

    run_training(config, run, arguments)


if __name__ == "__main__":
    run_command(main)
