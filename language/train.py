"""Trains one experiment on documents into its run folder: `python -m language.train CONFIG --seed K`."""

from pathlib import Path

from data.common.config import read_config
from data.common.errors import run_command
from data.common.options import choose_gpus, training_parser
from data.common.runs import RunFolder
from language.config import Config

EXAMPLE = """\
example, the supervised network of Table 6 on 20 Newsgroups:
  python -m language.train language/configs/paper/20news/fan-sup.yaml --seed 0

Rerun the command to resume an interrupted run. Then:
  python -m language.predict runs/paper/20news/fan-sup/seed0
  python -m scripts.evaluate classification runs/paper/20news/fan-sup/seed0
"""


def main() -> None:
    """Command line of `python -m language.train`."""
    parser = training_parser("language", EXAMPLE)
    parser.add_argument("--cache", type=Path, help="folder of the encoded data sets (default: <runs>/cache)")
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    config = read_config(Config, arguments.config, arguments.set)
    run = RunFolder.claim(arguments.runs, config, arguments.seed)
    if run.finished:
        print(f"{run.path}: training has already finished")
        return
    from language.engine import run_training  # Imports TensorFlow: --help and finished runs do not wait for it.

    cache = arguments.cache or arguments.runs / "cache"
    run_training(config, run, arguments.seed, arguments.data, cache, arguments.gpus)


if __name__ == "__main__":
    run_command(main)
