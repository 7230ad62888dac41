"""Classifies test images or image files with a trained scene network: `python -m vision.predict --scene`."""

from pathlib import Path

import mxnet as mx
import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError
from data.common.files import write_arrays
from data.common.runs import RunFolder
from data.images.pixels import read_pixels
from data.images.scenes import read_scenes
from vision.checkpoint import load_weights, read_classes, trained_weights
from vision.devices import find_devices
from vision.loader import View
from vision.models.backbone import Backbone
from vision.models.detector import Detector
from vision.scenes.config import ROI_FEATURES, SceneConfig, is_on_scenes
from vision.scenes.detector import read_detector_record
from vision.scenes.features import extract, read_views
from vision.scenes.network import SceneNetwork
from vision.transforms import make_image

SHOWN = 3  # classes per image file


class TrainedScenes:
    """The config, classes and network of a finished run.

    Raises:
        UserError: the run is not finished or not on scenes, or its files are missing, damaged or of another network.
    """

    def __init__(self, folder: Path, device: mx.Context):
        self.run = RunFolder(folder)
        self.config = scene_config(self.run)
        self.classes = read_classes(self.run)
        self.device = device
        model = self.config.model
        if model.roi_features == "none":
            like = read_detector_record(self.run).model if self.config.detector else model
            body, units = Backbone(like.backbone, True, like.pool1, like.stride_in, prefix="backbone_"), 0
        else:
            detector = read_detector_record(self.run)
            body, units = Detector(detector.model, detector.classes), detector.model.fc_units
        self.network = SceneNetwork(model, len(self.classes), body, units)
        load_weights(self.network, trained_weights(self.run), [device])
        self.network.hybridize()

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Probabilities [classes] of an image [3, H, W], preprocessed for the network."""
        logits = self.network(*extract(self.network, image, self.device))[0].asnumpy().astype(np.float64)
        return np.exp(logits - np.logaddexp.reduce(logits))


def scene_config(run: RunFolder) -> SceneConfig:
    """The config of a finished run on scenes.

    Raises:
        UserError: the run is not finished, or not on scenes.
    """
    run.require_finished()
    if not is_on_scenes(run):
        raise UserError(f"{run.path}: not a run on scenes; give a run of {', '.join(ROI_FEATURES)}, or remove --scene")
    return read_config(SceneConfig, run.config_path)


def predict_test_scenes(folder: Path, data: Path, gpus: str | None, workers: int) -> None:
    """Writes `predictions.npz` for the test images of a finished run into its folder."""
    run = RunFolder(folder)
    config = scene_config(run)
    if run.predictions.exists():
        print(f"{run.predictions}: exists already")
        return
    dataset = read_scenes(config.dataset, data, "test", config.images.sample, config.images.test_images)
    trained = TrainedScenes(folder, find_devices(gpus)[0])
    if dataset.classes != trained.classes:
        raise UserError(f"{data}: its classes differ from those that {folder} was trained on; give the --data it used")
    records = dataset.records
    images = read_views(records, config.images, [View(index, flipped=False) for index in range(len(records))], workers)
    progress = tqdm(images, total=len(records), desc="predicting", unit="image", mininterval=1, leave=False)
    write_arrays(
        run.predictions,
        ids=np.array([record.id for record in records]),
        labels=np.array([record.label for record in records]),
        probabilities=np.array([trained.probabilities(image) for image in progress], np.float32),
    )
    print(f"{run.predictions}: {len(records):,} images")


def predict_scenes(paths: list[Path], folder: Path, gpus: str | None) -> None:
    """Prints the most probable classes of each image file, one line per image.

    Raises:
        UserError: the run is not finished or not on scenes; an image is missing (checked before any is classified); or
            an image is damaged (after the images before it have been printed).
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file; give image files, or none for the test images")
    trained = TrainedScenes(folder, find_devices(gpus)[0])
    for path in paths:
        image, _ = make_image(read_pixels(path), trained.config.images)
        probabilities = trained.probabilities(image)
        best = np.argsort(-probabilities)[:SHOWN]
        print(f"{path}: {', '.join(f'{trained.classes[each]} {probabilities[each]:.2f}' for each in best)}", flush=True)
