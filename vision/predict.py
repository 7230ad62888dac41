"""Predicts with a finished run: its test images, or image files. `python -m vision.predict RUN [IMAGE …]`.

The predictions of a detector are in `vision.prediction`; those of a scene network, with `--scene`, in
`vision.scenes.predict`.
"""

import argparse
from pathlib import Path

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.files import read_arrays
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.common.runs import RunFolder
from data.images.proposals import PAIRS, has_pairs
from vision.config import Config
from vision.options import add_workers_option
from vision.scenes.config import is_on_scenes

EXAMPLES = """\
examples:
  python -m vision.predict runs/paper/voc07/fan-sup/seed0             the test images, into the run folder
  python -m vision.predict runs/paper/voc07/fan-sup/seed0 --nms hard  the same with hard NMS, into a separate file
  python -m vision.predict runs/paper/minicoco/fan-sup/seed0 --training-images    center-mass of the training images
  python -m vision.predict runs/paper/voc07/fan-sup/seed0 cat.jpg     draws the detections in cat.jpg
  python -m vision.predict runs/paper/mit67/fan-sup/seed0 --scene room.jpg    prints the scene class of room.jpg
"""


def existing_result(run: RunFolder, config: Config, arguments: argparse.Namespace) -> Path | None:
    """The file that a command would write, if it exists and is complete; older versions wrote fewer arrays."""
    if arguments.training_images is not None:
        path, most = run.training_center_mass, arguments.training_images or config.images.train_images
        return path if path.exists() and _images_in(path) >= most else None
    if arguments.nms == "hard":
        return run.hard_detections if run.hard_detections.exists() else None
    has_relations = config.model.has_relations
    complete = (
        run.detections.exists()
        and run.relations.exists()
        and has_pairs(run.relations, has_relations, arguments.pairs or PAIRS)
        and (run.has_center_mass() or not has_relations)
    )
    return run.detections if complete else None


def _images_in(path: Path) -> int:
    """The number of images in a file of center-masses."""
    return len(read_arrays(path, ["ids"], "center-mass file", "remove it and try again")["ids"])


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vision.predict",
        description="Predicts with a finished run: its test images, into the run folder, or image files, as pictures.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<dataset>/<variant>/seed<k>")
    parser.add_argument("images", nargs="*", type=Path, help="image files (default: the test images)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for pictures (default: pictures/ in the run)")
    parser.add_argument(
        "--scene", action="store_true", help="for runs on scenes: predict scene classes; print those of image files"
    )
    add_data_option(parser)
    parser.add_argument(
        "--pairs",
        type=count_from_1,
        metavar="N",
        help=f"pairs of ROIs to keep per test image and ranking, for recall up to N (default: {PAIRS:,})",
    )
    parser.add_argument(
        "--nms",
        choices=["soft", "hard"],
        help="soft-NMS as in Relation Networks (default), or hard NMS at an IoU of 0.3, into detections.hard_nms.json",
    )
    parser.add_argument(
        "--training-images",
        nargs="?",
        const=0,
        type=count_from_1,
        metavar="N",
        help="measure the center-mass of the finished network on all training images, or on N of them, spread evenly",
    )
    add_gpus_option(parser)
    add_workers_option(parser)
    return parser


def main() -> None:
    """Command line of `python -m vision.predict`."""
    parser = build_parser()
    arguments = parser.parse_intermixed_args()  # images may follow options
    _require_consistent(parser, arguments)
    choose_gpus(arguments.gpus)
    run, how = RunFolder(arguments.run), (arguments.data, arguments.gpus, arguments.workers)
    if arguments.scene:
        from vision.scenes.predict import predict_scenes, predict_test_scenes

        if arguments.images:
            predict_scenes(arguments.images, run.path, arguments.gpus)
        else:
            predict_test_scenes(run.path, *how)
        return
    if is_on_scenes(run):
        raise UserError(f"{run.path}: this is a run on scenes; add --scene")
    run.require_finished()
    config = read_config(Config, run.config_path)
    if arguments.training_images is not None and not config.model.has_relations:
        raise UserError(f"{run.path}: a network without pair weights has no center-mass; use a run of FAN")
    if not arguments.images and (existing := existing_result(run, config, arguments)):
        print(f"{existing}: already exists")
        return
    # Imported late, so that --help and finished predictions do not wait for MXNet.
    from vision.prediction import draw_pictures, write_test_set, write_training_center_mass

    if arguments.images:
        draw_pictures(arguments.images, run.path, arguments.out, arguments.gpus)
    elif arguments.training_images is not None:
        write_training_center_mass(run.path, *how, arguments.training_images)
    else:
        write_test_set(run.path, *how, arguments.pairs or PAIRS, arguments.nms or "soft")


def _require_consistent(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Ends the command if options exclude each other."""
    if arguments.out and not arguments.images:
        parser.error("--out is the folder for pictures; name image files, or remove it")
    of_test_set = [name for name in ("pairs", "nms", "training_images") if getattr(arguments, name) is not None]
    if of_test_set and (arguments.images or arguments.scene):
        parser.error(f"--{of_test_set[0].replace('_', '-')} is for the dataset of a detector; remove it")
    if arguments.training_images is not None and len(of_test_set) > 1:
        parser.error("--training-images only measures center-mass; remove --pairs and --nms")
    if arguments.scene and arguments.out:
        parser.error("--scene draws no pictures; remove --out")


if __name__ == "__main__":
    run_command(main)
