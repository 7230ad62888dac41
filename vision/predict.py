"""Detections and relationship proposals of a trained run: of its test images, or of image files.

`python -m vision.predict RUN [IMAGE …]`; with `--scene`, classes of scenes by a run of `vision.scene`.
"""

import argparse
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from data.config import read_config
from data.errors import UserError, run_command
from data.files import read_arrays, write_arrays
from data.images import read_images
from data.options import add_data_option, add_gpus_option, choose_gpus, count_from_1
from data.pixels import read_pixels
from data.records import ImageDataset
from data.runs import RunFolder
from vision.config import Config
from vision.options import add_workers_option
from vision.scene_config import is_on_scenes

if TYPE_CHECKING:
    import mxnet as mx
    from mxnet.ndarray import NDArray

    from vision.checkpoint import TrainedRun
    from vision.detector import DetectorOutput
    from vision.postprocess import Detections
    from vision.proposals import Proposals

EXAMPLES = """\
examples:
  python -m vision.predict runs/paper/voc07/fan-sup/seed0             the test images, into the run folder
  python -m vision.predict runs/paper/voc07/fan-sup/seed0 cat.jpg     draws what is found in cat.jpg
  python -m vision.predict runs/paper/mit67/fan-sup/seed0 --scene room.jpg    says which scene room.jpg shows
"""

BAR = {"unit": "image", "mininterval": 1, "leave": False}
PAIRS = 5000  # of an image, that are kept unless more are asked for
SHOWN = 0.5  # Detections in pictures have at least this score.


class Prediction(NamedTuple):
    """What is predicted for one image, in pixels of the image file.

    Args:
        image_id: id of its record.
        detections: best first.
        proposals: ranked pairs of ROIs; None in a network without pair weights.
        center_mass: of its pair weights; NaN where the annotation gives no target pair, None without pair weights.
    """

    image_id: str
    detections: "Detections"
    proposals: "Proposals | None"
    center_mass: float | None


def predict_images(
    trained: "TrainedRun", dataset: ImageDataset, device: "mx.Context", workers: int, pairs: int = PAIRS
) -> Iterator[Prediction]:
    """Yields the prediction of one image after the other, landscapes before portraits."""
    from vision.criterion import Criterion
    from vision.devices import signals_deferred
    from vision.loader import load_batches, test_order

    records, criterion = dataset.records, Criterion(trained.config)
    order = test_order(records, batch_size=1)
    for views, batch in load_batches(records, trained.config.images, order, workers):
        (batch,) = batch.split([device])
        with signals_deferred():
            output, found, proposals = predict_image(trained, batch.images, batch.sizes, batch.scales, pairs)
            center_mass = None
            if output.relations is not None:
                relations = criterion.relations(output, batch.boxes, batch.labels, batch.relations)
                center_mass = relations.center_mass.asscalar() if relations.related.asscalar() else np.nan
        yield Prediction(records[views[0].index].id, found, proposals, center_mass)


def predict_image(
    trained: "TrainedRun", image: "NDArray", size: "NDArray", scale: "NDArray", pairs: int = PAIRS
) -> tuple["DetectorOutput", "Detections", "Proposals | None"]:
    """What the network says of an image, and what is made of it.

    Args:
        image: [1, 3, H, W], as the network takes it.
        size: [1, 2] height and width of it.
        scale: [1] by which the original was multiplied.
        pairs: how many of ROIs are proposed, the best; all where there are fewer.
    """
    from vision.postprocess import detections
    from vision.proposals import relationship_proposals

    output = trained.detector(image, size)
    (found,) = detections(output, size, scale, trained.config.detection)
    if output.relations is None:
        return output, found, None
    (proposals,) = relationship_proposals(output.rois, output.mask, output.relations, scale, pairs)
    return output, found, proposals


def predict_test_set(folder: Path, data: Path, gpus: str | None, workers: int, pairs: int = PAIRS) -> None:
    """Writes `detections.json`, and with pair weights `relations.npz` and `center_mass.npz`, of a run's test images.

    Nothing is done where they are there already, the relations with so many `pairs` an image or all that there are.
    """
    run = RunFolder(folder)
    run.require_finished()
    config = read_config(Config, run.config_path)
    weighs = config.model.has_relations
    results = (run.detections, run.relations, run.center_mass) if weighs else (run.detections,)
    if all(path.exists() for path in results) and (not weighs or _holds_pairs(run.relations, pairs)):
        print(f"{run.detections}: is there already")
        return
    from vision.checkpoint import TrainedRun
    from vision.devices import find_devices

    device = find_devices(gpus)[0]
    trained = TrainedRun(folder, device)
    images = config.images
    dataset = read_images(config.dataset, data, images.test_split, images.test_images, subset=images.subset)
    if dataset.classes != trained.classes:
        raise UserError(f"{data}: its categories are not those that {folder} was trained on; give its --data")
    write_predictions(run, dataset, predict_images(trained, dataset, device, workers, pairs), weighs)
    print(f"{run.detections}: {len(dataset.records):,} images")


def _holds_pairs(path: Path, most: int) -> bool:
    """Whether a `relations.npz` has `most` pairs of each image, or as many as its ROIs make."""
    names = ["roi_offsets", "pair_offsets"]
    offsets = read_arrays(path, names, "relations file", "remove it and give the same command again")
    rois, pairs = (np.diff(offsets[name]) for name in names)
    return bool((pairs >= np.minimum(most, rois * (rois - 1))).all())


def write_predictions(run: RunFolder, dataset: ImageDataset, predictions: Iterable[Prediction], weighs: bool) -> None:
    """Writes the predictions of a test set as they come, so that memory is flat.

    Args:
        weighs: whether there are pair weights, and so proposals and center-mass.
    """
    from vision.postprocess import detections_writer
    from vision.proposals import relations_writer

    center_mass: dict[str, float] = {}
    with ExitStack() as files:
        add_detections = files.enter_context(detections_writer(run.detections, dataset.category_ids))
        add_proposals = files.enter_context(relations_writer(run.relations)) if weighs else None
        progress = files.enter_context(tqdm(total=len(dataset.records), desc="predicting", **BAR))
        for image_id, found, proposals, mass in predictions:
            add_detections(image_id, found)
            if weighs:
                add_proposals(image_id, proposals)
                center_mass[image_id] = mass
            progress.update()
    if weighs:
        ids, masses = np.array(list(center_mass)), np.array(list(center_mass.values()), np.float32)
        write_arrays(run.center_mass, ids=ids, center_mass=masses)


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
        help=f"how many pairs of ROIs of a test image are kept, the best, for recall at up to N (default: {PAIRS:,})",
    )
    add_gpus_option(parser)
    add_workers_option(parser)
    arguments = parser.parse_intermixed_args()  # Images may stand behind options, too.
    if arguments.out and not arguments.images:
        parser.error("--out is where pictures go; give image files, or leave it out for the test images")
    if arguments.pairs and arguments.images:
        parser.error("--pairs is how many are kept of each test image; leave it out for image files")
    if arguments.scene and (arguments.out or arguments.pairs):
        parser.error("--scene draws no pictures and has no pairs; leave --out and --pairs out")
    if not arguments.scene and is_on_scenes(RunFolder(arguments.run)):
        raise UserError(f"{arguments.run}: is a run on scenes; give --scene as well")
    choose_gpus(arguments.gpus)
    if arguments.scene:
        from vision.scene_predict import predict_scenes, predict_test_scenes

        if arguments.images:
            predict_scenes(arguments.images, arguments.run, arguments.gpus)
        else:
            predict_test_scenes(arguments.run, arguments.data, arguments.gpus, arguments.workers)
    elif arguments.images:
        predict_pictures(arguments.images, arguments.run, arguments.out, arguments.gpus)
    else:
        predict_test_set(arguments.run, arguments.data, arguments.gpus, arguments.workers, arguments.pairs or PAIRS)


if __name__ == "__main__":
    run_command(main)
