"""Command-line options of the scripts of tables, and what those of figures share with them.

scripts/lib/options.sh calls this and evaluates what it prints, which sets one shell variable per option:

    python -m scripts.tables.options SCRIPT CALLED_FROM PRESET=DATASET:SEEDS[,...]... [FLAG]... -- ARGUMENT...

The opening comment of SCRIPT becomes its help text. Relative paths are relative to the folder CALLED_FROM. SEEDS is how
many seeds a data set has. FLAG is --overlay, which adds this option, or --no-costs: do not announce what the runs take.

Only the standard library is used, so that --help and --dry-run also work before scripts/setup.sh.
"""

import argparse
import os
import re
import shlex
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

PRESETS = {
    "paper": "the paper's sizes, for GPUs",
    "mini": "small networks on miniature data (mini/ in the data folder), minutes on two cores",
    "small": "reduced networks on real images, hours on two cores",
}
MINIATURE = ("VOCdevkit", "coco", "visual_genome", "mit67", "lexicon.tsv")  # older versions wrote fewer of them
CELLS = "https://github.com/Shenggan/BCCD_Dataset"
REMARKS = """\
You can stop the script at any time: rerun it to resume. Finished runs are not repeated. The table includes the finished
runs of earlier calls and lists the missing ones."""


@dataclass(frozen=True)
class Script:
    """What a script declares.

    Args:
        path: of the script, relative to the repository.
        called_from: folder that relative paths are relative to.
        presets: numbers of seeds by data set, by preset; the first preset is the default.
        words: the other declarations.
    """

    path: Path
    called_from: str
    presets: dict[str, dict[str, int]]
    words: list[str]

    @classmethod
    def read(cls, arguments: list[str]) -> tuple["Script", list[str]]:
        """Splits a command line into a script and the arguments of its user."""
        path, called_from, *declared = arguments[: arguments.index("--")]
        presets = {name: listed for name, _, listed in (each.partition("=") for each in declared) if name in PRESETS}
        trials = {
            name: {dataset: int(number) for dataset, number in re.findall(r"([^:,]+):(\d+)", listed)}
            for name, listed in presets.items()
        }
        words = [each for each in declared if each.partition("=")[0] not in PRESETS]
        script = cls(Path("scripts", Path(path).name), called_from, trials, words)
        return script, arguments[arguments.index("--") + 1 :]

    def description(self) -> str:
        """The opening comment of the script, which follows its first line."""
        _, *lines = self.path.read_text().splitlines()
        end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
        return "\n".join(line[2:] for line in lines[:end])


class ScriptParser(argparse.ArgumentParser):
    """A parser for shell scripts: prints help as a shell command, and an error as one line with exit code 2."""

    def __init__(self, script: Script, remarks: str, example: str, usage: str = "[options]"):
        super().__init__(
            usage=f"{script.path} {usage}",
            description=script.description(),
            epilog=f"{remarks}\n\nexample: {script.path} {example}",
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=118),
            allow_abbrev=False,
        )
        self._script = script
        if script.presets:
            default, *_ = script.presets
            texts = "; ".join(f"{preset}: {PRESETS[preset]}" for preset in script.presets)
            self.add_argument(
                "--preset", choices=list(script.presets), default=default, help=f"{texts} (default: {default})"
            )

    def print_help(self, file=None) -> None:
        print(f"printf %s {shlex.quote(self.format_help())}; exit")

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        if message.startswith(("unrecognized", "the following")):
            message += f"; see {self._script.path} --help"
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)

    def path(self, text: str) -> str:
        """An argument type: a path as seen from the repository, where all commands run."""
        if not text:
            raise argparse.ArgumentTypeError("expected a path, got an empty text")
        if os.path.isabs(text) or os.path.samefile(self._script.called_from, "."):
            return text
        return f"{self._script.called_from}/{text}"

    def add_folders(self, product: str, runs: bool = True) -> None:
        """Adds --data and --out, the folder of a table or figure; with `runs` also --runs."""
        text = "folder of the data sets (default: $FAN_DATA, else datasets)"
        data = os.environ.get("FAN_DATA") or None
        self.add_argument("--data", metavar="DIR", type=self.path, default=data, help=text)
        if runs:
            self.add_argument("--runs", metavar="DIR", type=self.path, help="folder of the runs (default: runs)")
        text = f"the {product} is written to the preset's folder in it (default: results)"
        self.add_argument("--out", metavar="DIR", type=self.path, help=text)

    def add_dry_run(self, gpus: bool = True) -> None:
        """Adds --dry-run; with `gpus` also --gpus."""
        if gpus:
            self.add_argument("--gpus", metavar="IDS", type=integers, help="GPUs to use, such as 0,1 (default: all)")
        self.add_argument("--dry-run", action="store_true", help="print the commands without running them")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """Parses the arguments. Default folders are in the repository, the miniature is in a folder of the data."""
        options = self.parse_args(arguments)
        for name, default in {"data": "datasets", "runs": "runs", "out": "results"}.items():
            if name in options and getattr(options, name) is None:
                setattr(options, name, default)
        if "data" in options and options.preset == "mini":
            options.data += "/mini"
        return options


def integers(text: str) -> str:
    """An argument type: integers separated by commas."""
    if not re.fullmatch(r"[0-9]+(,[0-9]+)*", text):
        raise argparse.ArgumentTypeError(f"must be integers separated by commas, such as 0,1,2, not {text!r}")
    return text


def integer_from_0(text: str) -> str:
    """An argument type: an integer from 0."""
    if not re.fullmatch(r"[0-9]+", text):
        raise argparse.ArgumentTypeError(f"must be an integer from 0, not {text!r}")
    return text


def integer_from_1(text: str) -> str:
    """An argument type: an integer from 1."""
    if not re.fullmatch(r"0*[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"must be an integer from 1, not {text!r}")
    return text


def table_variables(script: Script, arguments: list[str]) -> dict:
    """Parses the options of a table: its data sets and seeds, and how its runs are run."""
    parser = _table_parser(script)
    options = parser.parse(arguments)
    trials = script.presets[options.preset]
    datasets = list(trials) if options.datasets is None else options.datasets.split(",")
    for dataset in datasets:
        if dataset not in trials:
            parser.error(f"--datasets: must be of {','.join(trials)}, not {dataset!r}")
    if "bccd" in datasets and not options.dry_run and not Path(options.data, "bccd").is_dir():
        parser.error(f"{options.data}/bccd: folder not found; copy the folder BCCD of {CELLS} to this path")
    if "overlay" in options and options.overlay and not Path(options.overlay).is_file():
        parser.error(f"{options.overlay}: file not found; give --overlay a CSV file")
    return common_variables(options) | {
        "datasets": " ".join(datasets),
        "seeds": {name: (options.seeds or _first(trials[name])).replace(",", " ") for name in datasets},
        "jobs": option("--jobs", options.jobs),
        "costs": _costs(script, options),
        "overlay": option("--overlay", getattr(options, "overlay", None)),
        "miniature": miniature(options),
    }


def _table_parser(script: Script) -> ScriptParser:
    parser = ScriptParser(script, REMARKS, "--preset mini" if "mini" in script.presets else "--seeds 0")
    defaults = "; ".join(
        f"at {preset} " + ", ".join(f"{number} of {dataset}" for dataset, number in trials.items())
        for preset, trials in script.presets.items()
    )
    text = f"seeds to run, such as 0,1,2 (default: from 0, as many as the paper has: {defaults})"
    parser.add_argument("--seeds", metavar="LIST", type=integers, help=text)
    parser.add_argument("--datasets", metavar="LIST", help="only these data sets, separated by commas (default: all)")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=integer_from_1,
        help="runs at a time; each uses its share of the cores or GPUs (default: one per GPU; without GPUs, one per "
        "core while each has 3 GB of free memory). One run at a time prints to the terminal; several write to "
        "output.log in their folders",
    )
    if _has_costs(script):
        text = "start runs at the paper's sizes even if they take more than a day on this CPU"
        parser.add_argument("--yes", action="store_true", help=text)
    if "--overlay" in script.words:
        text = "CSV file with the columns label, k and recall (in percent): curves that are drawn over ours"
        parser.add_argument("--overlay", metavar="FILE", type=parser.path, help=text)
    parser.add_folders("table")
    parser.add_dry_run()
    return parser


def _first(number: int) -> str:
    return ",".join(map(str, range(number)))


def _has_costs(script: Script) -> bool:
    return "paper" in script.presets and "--no-costs" not in script.words


def _costs(script: Script, options: argparse.Namespace) -> str:
    """The arguments of scripts.tables.costs; empty if no costs are announced."""
    no_environment = options.dry_run and not Path(".venv/bin/python").exists()
    if options.preset != "paper" or not _has_costs(script) or no_environment:
        return ""
    others = [preset for preset in script.presets if preset != "paper"]
    yes = ["--yes"] if options.yes or options.dry_run else []
    return " ".join([str(script.path), *others, *yes, option("--gpus", options.gpus)])


def miniature(options: argparse.Namespace) -> str:
    """The command that writes the miniature; empty if it is complete or not used."""
    if options.preset != "mini" or all(Path(options.data, piece).exists() for piece in MINIATURE):
        return ""
    return f"python -m data.mini --out {shlex.quote(options.data)}"


def option(name: str, value: str | None) -> str:
    """The option as part of a command line; empty without a value."""
    return "" if value is None else f"{name} {shlex.quote(value)}"


def common_variables(options: argparse.Namespace) -> dict:
    """The variables of options that scripts share. Paths are quoted for use in command lines."""
    folders = {name: shlex.quote(getattr(options, name)) for name in ("data", "runs", "out") if name in options}
    return folders | {
        "preset": getattr(options, "preset", ""),
        "gpus": option("--gpus", getattr(options, "gpus", None)),
        "dry_run": "yes" if options.dry_run else "no",
    }


def assignments(variables: dict) -> str:
    """Shell code that sets the variables; a dictionary becomes an associative array.

    >>> print(assignments({"preset": "paper", "seeds": {"voc07": "0 1 2", "minicoco": "0"}}))
    preset=paper
    seeds=([voc07]='0 1 2' [minicoco]=0)
    """
    lines = []
    for name, value in variables.items():
        if isinstance(value, dict):
            lines.append(f"{name}=({' '.join(f'[{key}]={shlex.quote(each)}' for key, each in value.items())})")
        else:
            lines.append(f"{name}={shlex.quote(value)}")
    return "\n".join(lines)


def main() -> None:
    """Command line of `python -m scripts.tables.options`."""
    script, arguments = Script.read(sys.argv[1:])
    print(assignments(table_variables(script, arguments)))


if __name__ == "__main__":
    main()
