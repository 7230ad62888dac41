"""Command line that installs a data set or ImageNet weights: `python -m data.download NAME`."""

import argparse
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.options import add_data_option
from data.download.catalogue import ALL, describe, table
from data.download.install import install
from data.download.weights import Weights, get_weights


def main() -> None:
    """Parses the command line; prints the table or installs what was named."""
    parser = argparse.ArgumentParser(
        prog="scripts/get_data.sh",
        description="Downloads a data set of the paper from its official source, verifies and unpacks it, and counts "
        "its contents; or downloads and converts ImageNet weights. Rerun the command to resume an interrupted "
        "download. If the data set is already installed, nothing is done.",
        epilog="example: scripts/get_data.sh 20news --archive ~/Downloads/20news-bydate.tar.gz",
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="a data set or weights; if omitted, the table of all is printed"
    )
    parser.add_argument("--list", action="store_true", help="print the table of all data sets and weights")
    add_data_option(parser)
    parser.add_argument(
        "--archive",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a local copy to use instead of downloading: an archive, or a folder that contains the data set or its "
        "archives. Its contents are counted, but its checksum is not verified. Can be repeated. If all copies have "
        "official file names, the remaining files are downloaded",
    )
    arguments = parser.parse_args()
    if arguments.list or not (arguments.name or arguments.archive):
        print(table())
        return
    chosen = next((each for each in ALL if each.name == arguments.name), None)
    if chosen is None:
        names = ", ".join(each.name for each in ALL)
        raise UserError(f"{arguments.name or 'NAME'}: no such data set or weights; choose one of {names}")
    try:
        if isinstance(chosen, Weights):
            print(describe(chosen))
            get_weights(chosen, arguments.data, arguments.archive)
        else:
            install(chosen, arguments.data, arguments.archive)
    except OSError as error:
        place = error.filename or arguments.data
        raise UserError(f"{place}: {error.strerror or error}; fix it and rerun the command") from None


if __name__ == "__main__":
    run_command(main)
