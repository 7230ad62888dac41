"""Command line that writes the miniature data sets: `python -m data.mini --out DIR`."""

import argparse
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.options import data_folder, seed_number
from data.mini.write import write_miniature


def main() -> None:
    """Parses the command line and writes the miniature."""
    parser = argparse.ArgumentParser(
        prog="python -m data.mini",
        description="Generates miniature data sets in the official formats: 20 Newsgroups (600 + 400 posts), Yahoo "
        "Answers (2,000 + 400 rows) with a lexicon that replaces the tagger, VOC 2007 (200 + 80 images), COCO (300 "
        "images, 80 of them in minival), Visual Genome (300 + 80) and MIT67 (120 + 240). Takes a few seconds and needs "
        "no network. If the data sets already exist, nothing is written.",
        epilog="example: python -m data.mini --out datasets/mini --seed 1",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=data_folder() / "mini",
        help="output folder (default: $FAN_DATA/mini, or datasets/mini if FAN_DATA is not set)",
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="the same seed gives the same bytes (default: 0)")
    arguments = parser.parse_args()
    try:
        is_new = write_miniature(arguments.out, arguments.seed)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{error.filename or arguments.out}: {reason}; choose another --out") from None
    state = "written" if is_new else "already exist"
    print(f"{arguments.out}: miniature data sets with seed {arguments.seed} {state}")


if __name__ == "__main__":
    run_command(main)
