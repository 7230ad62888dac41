"""Command-line options of the scripts of figures; see scripts.tables.options.

    python -m scripts.figures.options SCRIPT CALLED_FROM KIND [PRESET]... -- ARGUMENT...

KIND is words (Figures 2 and 6), regions (Figures 1 and 7), targets (Figure 4) or page (the relations page).
"""

import argparse
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from scripts.tables.options import (
    Script,
    ScriptParser,
    assignments,
    common_variables,
    integer_from_0,
    integer_from_1,
    miniature,
    option,
)

SENTENCES = """\
--document, --text and --sentence can be repeated, one row each; without them, the rows are the sentences named in the
script. Sentences are counted and split as in the text recipe of the runs. The importances are also written as JSON.
The runs of hatt, fan-unsup and fan-sup must be finished: train them with scripts/table6.sh."""
REGIONS = """\
The weights are those that FAN aggregates with: the row of W_agg (eq. 4) of the reference object. Without --image, the
images are evenly spaced among the test scenes of MIT67, as in the paper, if the runs are of minicoco and MIT67 is in
the data folder; otherwise among the test images of the runs' data set that show two categories. Without --object and
--box, the reference objects are those with the highest scores. The networks' output is written to attended/ in the run
folders. The runs of fan-unsup and fan-sup must be finished: train them with scripts/table4.sh or scripts/bccd.sh."""
TARGETS = "Difficult objects and crowds have no relations, as in training, and are not counted."
PAGE = """\
The networks' output is written to attended/ in the run folders. Images that cannot be read are reported, skipped, and
listed on the page."""


class InOrder(argparse.Action):
    """Collects options whose order matters in one list: each option's name and its value."""

    def __call__(self, parser, options, value, name=None):
        if not value:
            parser.error(f"{name}: expected one argument, got an empty text")
        setattr(options, self.dest, [*getattr(options, self.dest), name, value])


def words_variables(script: Script, arguments: list[str]) -> dict:
    """Parses the options of Figures 2 and 6: the sentences, and the runs whose word importances are drawn."""
    parser = ScriptParser(script, SENTENCES, "--preset mini")
    in_order = {"action": InOrder, "dest": "sentences", "default": []}
    text = "document of the test set: such as sci.med/59562 of 20 Newsgroups, or a row of Yahoo Answers"
    parser.add_argument("--document", metavar="ID", help=text, **in_order)
    parser.add_argument("--text", metavar="TEXT", help="your own text instead of a document", **in_order)
    text = "which sentence of the preceding document or text, from 1 (default: 1)"
    parser.add_argument("--sentence", metavar="N", help=text, **in_order)
    text = "data set of the runs (default: 20news)"
    parser.add_argument("--dataset", choices=["20news", "yahoo-mini", "yahoo-half"], default="20news", help=text)
    parser.add_argument("--seed", metavar="K", type=integer_from_0, default="0", help="of the runs (default: 0)")
    parser.add_folders("figure")
    parser.add_dry_run()
    options = parser.parse(arguments)
    if not options.sentences and options.dataset != "20news":
        parser.error(f"--dataset {options.dataset}: give a --document or a --text")
    train = ["scripts/table6.sh", "--preset", options.preset, "--datasets", options.dataset]
    _require_runs(parser, options, ["fan-sup", "fan-unsup", "hatt"], train)
    return common_variables(options) | {
        "dataset": options.dataset,
        "seed": options.seed,
        "sentences": shlex.join(options.sentences),
    }


def regions_variables(script: Script, arguments: list[str]) -> dict:
    """Parses the options of Figures 1 and 7: the images and objects, and the runs whose attention is drawn."""
    parser = ScriptParser(script, REGIONS, "--preset mini")
    text = "data set of the runs (default: minicoco; at small bccd, where voc07 has runs as well)"
    parser.add_argument("--dataset", metavar="NAME", help=text)
    parser.add_argument("--seed", metavar="K", type=integer_from_0, default="0", help="of the runs (default: 0)")
    in_order = {"action": InOrder, "dest": "choices", "default": []}
    text = "image or folder of images; can be repeated"
    parser.add_argument("--image", metavar="FILE", type=parser.path, help=text, **in_order)
    text = "reference object of the preceding image: the Nth that the networks detect, best first; can be repeated"
    parser.add_argument("--object", metavar="N", help=text, **in_order)
    text = "the same as a box in pixels: each network's region that overlaps it most; can be repeated"
    parser.add_argument("--box", metavar="X1,Y1,X2,Y2", help=text, **in_order)
    parser.add_argument("--regions", metavar="N", type=integer_from_1, help="attended regions per object (default: 5)")
    parser.add_folders("figure")
    parser.add_dry_run()
    options = parser.parse(arguments)
    options.dataset = options.dataset or ("bccd" if options.preset == "small" else "minicoco")
    train = ["scripts/table4.sh", "--preset", options.preset, "--datasets", options.dataset]
    if options.dataset == "bccd":
        train = ["scripts/bccd.sh"]
    _require_runs(parser, options, ["fan-unsup", "fan-sup"], train)
    pairs = zip(options.choices[::2], options.choices[1::2], strict=True)
    return common_variables(options) | {
        "dataset": shlex.quote(options.dataset),
        "seed": options.seed,
        "images": shlex.join(value for name, value in pairs if name == "--image"),
        "choices": shlex.join(options.choices),
        "regions": option("--regions", options.regions),
    }


def targets_variables(script: Script, arguments: list[str]) -> dict:
    """Parses the options of Figure 4: the image and object whose supervision targets are drawn."""
    parser = ScriptParser(script, TARGETS, "--preset mini")
    text = "voc07, minicoco, or a folder in the data folder with VOC or COCO layout (default: voc07)"
    parser.add_argument("--dataset", metavar="NAME", default="voc07", help=text)
    parser.add_argument("--split", metavar="NAME", help="of the data set (default: minival of minicoco, else test)")
    text = "image of the split (default: the first one whose two targets differ and are not empty)"
    parser.add_argument("--image", metavar="ID", help=text)
    text = "reference object, counted from 1 (default: the first one whose two targets differ, else 1)"
    parser.add_argument("--object", metavar="N", type=integer_from_0, help=text)
    parser.add_folders("figure", runs=False)
    parser.add_dry_run(gpus=False)
    options = parser.parse(arguments)
    split = options.split or ("minival" if options.dataset == "minicoco" else "test")
    chosen = [option("--image", options.image), option("--object", options.object)]
    return common_variables(options) | {
        "dataset": shlex.quote(options.dataset),
        "split": shlex.quote(split),
        "choices": " ".join(filter(None, chosen)),
        "miniature": miniature(options),
    }


def page_variables(script: Script, arguments: list[str]) -> dict:
    """Parses the options of the relations page: the images, two runs, and the page."""
    example = "photos --unsup runs/paper/minicoco/fan-unsup/seed0 --sup runs/paper/minicoco/fan-sup/seed0"
    parser = ScriptParser(script, PAGE, example, usage="FOLDER --unsup RUN --sup RUN [options]")
    text = "folder of images, including its subfolders; or one image"
    parser.add_argument("images", metavar="FOLDER", type=parser.path, help=text)
    text = "run folder of the network without supervision"
    parser.add_argument("--unsup", metavar="RUN", type=parser.path, required=True, help=text)
    text = "run folder of the supervised network"
    parser.add_argument("--sup", metavar="RUN", type=parser.path, required=True, help=text)
    text = "(default: relations.html)"
    parser.add_argument("--out", metavar="FILE", type=parser.path, default="relations.html", help=text)
    in_order = {"action": InOrder, "dest": "choices", "default": []}
    parser.add_argument("--title", metavar="TEXT", help="of the page", **in_order)
    text = "minimum score of an object that can be clicked, from 0 to 1 (default: 0.3)"
    parser.add_argument("--score", metavar="S", help=text, **in_order)
    parser.add_dry_run()
    options = parser.parse(arguments)
    return common_variables(options) | {
        "images": shlex.quote(options.images),
        "unsup": shlex.quote(options.unsup),
        "sup": shlex.quote(options.sup),
        "name": shlex.quote(Path(options.out).name.removesuffix(".html")),
        "choices": shlex.join(options.choices),
    }


def _require_runs(parser: ScriptParser, options: argparse.Namespace, variants: Iterable[str], train: list[str]) -> None:
    """Ends the script if a run is not finished, and names the command that trains it."""
    for variant in variants:
        folder = f"{options.runs}/{options.preset}/{options.dataset}/{variant}/seed{options.seed}"
        if not options.dry_run and not Path(folder, "run.json").exists():
            command = shlex.join([*train, "--seeds", options.seed, "--runs", options.runs])
            parser.error(f"{folder}: no finished run; train it with {command}")


KINDS = {"words": words_variables, "regions": regions_variables, "targets": targets_variables, "page": page_variables}


def main() -> None:
    """Command line of `python -m scripts.figures.options`."""
    script, arguments = Script.read(sys.argv[1:])
    (kind,) = script.words
    print(assignments(KINDS[kind](script, arguments)))


if __name__ == "__main__":
    main()
