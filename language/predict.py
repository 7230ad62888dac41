"""Predicts the test set of a trained run, or the class of a text: `python -m language.predict RUN [TEXT]`."""

import argparse
from pathlib import Path

from data.common.config import read_config
from data.common.errors import run_command
from data.common.files import read_text
from data.common.options import add_data_option, add_gpus_option, choose_gpus
from data.common.runs import RunFolder
from language.config import Config

EXAMPLES = """\
examples:
  python -m language.predict runs/paper/20news/fan-sup/seed0            test set, into the run folder
  python -m language.predict runs/paper/20news/fan-sup/seed0 post.txt   classes of a text file
  echo "The goalie saved it." | python -m language.predict runs/paper/20news/fan-sup/seed0 - --attention
"""


def main() -> None:
    """Command line of `python -m language.predict`."""
    parser = argparse.ArgumentParser(
        prog="python -m language.predict",
        description="Predicts with a finished run: its test set, into the run folder, or the classes of a text.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    parser.add_argument("text", nargs="?", help="text file, or - for standard input (default: predict the test set)")
    parser.add_argument("--attention", action="store_true", help="also print the sentence and word weights of the text")
    add_data_option(parser)
    add_gpus_option(parser)
    parser.add_argument("--cache", type=Path, help="folder of the encoded data sets (default: <runs>/cache)")
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    if arguments.text is None and arguments.attention:
        parser.error("--attention needs a text: give a text file, or - for standard input")
    run = RunFolder(arguments.run)
    run.require_finished()
    if arguments.text is None and _is_predicted(run):
        print(f"{run.predictions}: already exists")
        return
    # Imports TensorFlow: --help and runs that are predicted already do not wait for it.
    from language.inference import TrainedRun, predict_test_set, predict_text, require_gpus

    require_gpus(arguments.gpus)
    trained = TrainedRun(arguments.run)
    if arguments.text is None:
        predict_test_set(trained, arguments.data, arguments.cache)
        return
    path = Path("/dev/stdin" if arguments.text == "-" else arguments.text)
    predict_text(trained, read_text(path, "text file", "give a UTF-8 file"), arguments.data, arguments.attention)


def _is_predicted(run: RunFolder) -> bool:
    has_fan = read_config(Config, run.config_path).model.focused_attention
    return run.predictions.exists() and (not has_fan or run.has_center_mass())


if __name__ == "__main__":
    run_command(main)
