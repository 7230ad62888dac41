"""Detections and relationship proposals of a trained run: of its test images, or of image files.

`python -m vision.predict RUN [IMAGE …]`; with `--scene`, classes of scenes by a run of `vision.scene`.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.files import read_arrays
from data.common.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.common.runs import RunFolder
from data.images.pixels import read_pixels
from data.images.proposals import PAIRS, has_pairs
from vision.config import Config
from vision.options import add_workers_option
from vision.scenes.config import is_on_scenes

if TYPE_CHECKING:
    from vision.postprocess import Detections, Suppression

EXAMPLES = """\
examples:
  python -m vision.predict runs/paper/voc07/fan-sup/seed0             the test images, into the run folder
  python -m vision.predict runs/paper/voc07/fan-sup/seed0 --nms hard  the same with hard NMS, into a file of its own
  python -m vision.predict runs/paper/minicoco/fan-sup/seed0 --training-images    center-mass of the training images
  python -m vision.predict runs/paper/voc07/fan-sup/seed0 cat.jpg     draws what is found in cat.jpg
  python -m vision.predict runs/paper/mit67/fan-sup/seed0 --scene room.jpg    says which scene room.jpg shows
"""

SHOWN = 0.5  # Detections in pictures have at least this score.


def missing_results(run: RunFolder, pairs: int, nms: "Suppression") -> list[Path]:
    """The files of a finished run's test images that are still to be written, or were written by an older version.

    Args:
        run: the run.
        pairs: how many pairs of ROIs per image its relations must have, or all there are.
        nms: "soft" or "hard"; with "hard", detections are all that is written.
    """
    if nms == "hard":
        return [] if run.hard_detections.exists() else [run.hard_detections]
    has_relations = read_config(Config, run.config_path).model.has_relations
    missing = [path for path in (run.detections, run.relations) if not path.exists()]
    if run.relations not in missing and not has_pairs(run.relations, has_relations, pairs):
        missing.append(run.relations)
    if has_relations and not run.has_center_mass():
        missing.append(run.center_mass)
    return missing


def predict_test_set(
    folder: Path, data: Path, gpus: str | None, workers: int, pairs: int = PAIRS, nms: "Suppression" = "soft"
) -> None:
    """Writes the predictions of a finished run's test images into its folder, unless they are there.

    Args:
        folder: of the run.
        data: where the data sets are.
        gpus: those that may be used, as `0,1`.
        workers: threads that read images ahead.
        pairs: how many pairs of ROIs per image and ranking are kept; all where there are fewer.
        nms: with "hard" only detections are written, to a file of their own.
    """
    run = RunFolder(folder)
    run.require_finished()
    if not missing_results(run, pairs, nms):
        print(f"{run.hard_detections if nms == 'hard' else run.detections}: is there already")
        return
    from vision.prediction import write_test_set

    write_test_set(folder, data, gpus, workers, pairs, nms)


def measure_training_images(folder: Path, data: Path, gpus: str | None, workers: int, most: int) -> None:
    """Writes the center-mass of a finished run's training images into its folder, unless it is there.

    Args:
        most: of how many images; 0 for all. The others as for `predict_test_set`.
    """
    run = RunFolder(folder)
    run.require_finished()
    config = read_config(Config, run.config_path)
    if not config.model.has_relations:
        raise UserError(f"{folder}: a network without pair weights has no center-mass; give a run of FAN")
    most = most or config.images.train_images
    if run.training_center_mass.exists() and _measured(run.training_center_mass) >= most:
        print(f"{run.training_center_mass}: is there already")
        return
    from vision.prediction import write_training_center_mass

    write_training_center_mass(folder, data, gpus, workers, most)


def _measured(path: Path) -> int:
    """How many images a file of center-masses is of."""
    return len(read_arrays(path, ["ids"], "center-mass file", "remove it and try again")["ids"])


def predict_pictures(paths: list[Path], folder: Path, out: Path | None, gpus: str | None) -> None:
    """Draws what a finished run finds in each image file, to `<out>/<name>.png`, and prints it.

    Raises:
        UserError: the run is not finished; an image is absent, or a picture would replace it or that of another, and
            nothing has been drawn; or an image is damaged, and those before it have been drawn.
    """
    pictures = _pictures(paths, out or folder / "pictures")
    from mxnet import nd

    from vision.checkpoint import TrainedRun
    from vision.devices import find_devices
    from vision.drawing import draw_detections
    from vision.prediction import predict_image
    from vision.transforms import make_image

    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    for picture, path in pictures.items():
        pixels = read_pixels(path)
        image, scale = make_image(pixels, trained.config.images)  # [3, H, W]
        arrays = (nd.array(values, ctx=device) for values in (image[None], [image.shape[1:]], [scale]))
        _, found, proposals = predict_image(trained, *arrays)
        draw_detections(pixels, found, trained.classes, proposals, picture, threshold=SHOWN)
        print(f"{picture}: {_describe(found, trained.classes)}", flush=True)


def _pictures(paths: list[Path], out: Path) -> dict[Path, Path]:
    """Picture to be drawn in the folder `out`, to image file."""
    pictures: dict[Path, Path] = {}
    for path in paths:
        picture = out / f"{path.stem}.png"
        if not path.is_file():
            raise UserError(f"{path}: no such image file; give the names of images, or none for the test images")
        if (other := pictures.setdefault(picture, path)) != path:
            raise UserError(f"{path}: its picture would replace that of {other}, {picture}; give one of them at a time")
        if picture.exists() and picture.samefile(path):
            raise UserError(f"{path}: its picture would replace it; give another --out")
    return pictures


def _describe(found: "Detections", classes: tuple[str, ...]) -> str:
    sure = found.scores > SHOWN
    labels, scores = found.labels[sure], found.scores[sure]
    named = [f"{classes[label]} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
    return ", ".join(named) or f"nothing with a score above {SHOWN}"


def main() -> None:
    """Command line of `python -m vision.predict`."""
    parser = argparse.ArgumentParser(
        prog="python -m vision.predict",
        description="Predicts with a finished run: its test images, into the run folder, or image files, as pictures.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder: <runs>/<preset>/<data set>/<variant>/seed<k>")
    parser.add_argument("images", nargs="*", type=Path, help="image files; without any, the test images")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where pictures go (default: pictures/ in the run)")
    parser.add_argument(
        "--scene", action="store_true", help="the run is one on scenes: predict classes, and print those of image files"
    )
    add_data_option(parser)
    parser.add_argument(
        "--pairs",
        type=count_from_1,
        metavar="N",
        help=f"how many pairs of ROIs per test image and ranking are kept, for recall at up to N (default: {PAIRS:,})",
    )
    parser.add_argument(
        "--nms",
        choices=["soft", "hard"],
        help="soft-NMS as Relation Networks (default), or hard NMS at an IoU of 0.3, for detections.hard_nms.json",
    )
    parser.add_argument(
        "--training-images",
        nargs="?",
        const=0,
        type=count_from_1,
        metavar="N",
        help="measure the center-mass of the finished network on its training images, all or N of them, spread evenly",
    )
    add_gpus_option(parser)
    add_workers_option(parser)
    arguments = parser.parse_intermixed_args()  # images may follow options
    _require_consistent(parser, arguments)
    run = RunFolder(arguments.run)
    if not arguments.scene and is_on_scenes(run):
        raise UserError(f"{arguments.run}: is a run on scenes; give --scene as well")
    choose_gpus(arguments.gpus)
    how = arguments.data, arguments.gpus, arguments.workers
    if arguments.scene:
        from vision.scenes.predict import predict_scenes, predict_test_scenes

        if arguments.images:
            predict_scenes(arguments.images, arguments.run, arguments.gpus)
        else:
            predict_test_scenes(arguments.run, *how)
    elif arguments.images:
        predict_pictures(arguments.images, arguments.run, arguments.out, arguments.gpus)
    elif arguments.training_images is not None:
        measure_training_images(arguments.run, *how, arguments.training_images)
    else:
        predict_test_set(arguments.run, *how, arguments.pairs or PAIRS, arguments.nms or "soft")


def _require_consistent(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Ends the command where options exclude each other."""
    if arguments.out and not arguments.images:
        parser.error("--out is where pictures go; give image files, or leave it out for the test images")
    of_test_set = [name for name in ("pairs", "nms", "training_images") if getattr(arguments, name) is not None]
    if of_test_set and (arguments.images or arguments.scene):
        parser.error(f"--{of_test_set[0].replace('_', '-')} is for a detector's data set; leave it out here")
    if arguments.training_images is not None and len(of_test_set) > 1:
        parser.error("--training-images measures center-mass alone; leave --pairs and --nms out")
    if arguments.scene and arguments.out:
        parser.error("--scene draws no pictures; leave --out out")


if __name__ == "__main__":
    run_command(main)
