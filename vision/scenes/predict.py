"""Classes of scenes by a trained run: of its test images, or of image files; `python -m vision.predict --scene`."""

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
from vision.scenes.detector import kept_detector
from vision.scenes.features import look_at, read_views
from vision.scenes.network import SceneNetwork
from vision.transforms import make_image

SHOWN = 3  # classes of an image file, the best


class TrainedScenes:
    """A finished run's config, classes and network.

    Raises:
        UserError: the run is not finished, is none on scenes, or its files are missing, damaged or of another network.
    """

    def __init__(self, folder: Path, device: mx.Context):
        self.run = RunFolder(folder)
        self.config = scene_config(self.run)
        self.classes = read_classes(self.run)
        self.device = device
        model = self.config.model
        if model.roi_features == "none":
            like = kept_detector(self.run).model if self.config.detector else model
            body, units = Backbone(like.backbone, True, like.pool1, like.stride_in, prefix="backbone_"), 0
        else:
            detector = kept_detector(self.run)
            body, units = Detector(detector.model, detector.classes), detector.model.fc_units
        self.network = SceneNetwork(model, len(self.classes), body, units)
        load_weights(self.network, trained_weights(self.run), [device])
        self.network.hybridize()

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """[classes] of an image [3, H, W] as the network takes it."""
        logits = self.network(*look_at(self.network, image, self.device))[0].asnumpy().astype(np.float64)
        return np.exp(logits - np.logaddexp.reduce(logits))


def scene_config(run: RunFolder) -> SceneConfig:
    """The config of a finished run on scenes.

    Raises:
        UserError: it is not finished, or a run on something else.
    """
    run.require_finished()
    if not is_on_scenes(run):
        raise UserError(f"{run.path}: is no run on scenes; give one of {', '.join(ROI_FEATURES)}, or leave --scene out")
    return read_config(SceneConfig, run.config_path)


def predict_test_scenes(folder: Path, data: Path, gpus: str | None, workers: int) -> None:
    """Writes `predictions.npz` of a finished run's test images into its folder."""
    run = RunFolder(folder)
    config = scene_config(run)
    if run.predictions.exists():
        print(f"{run.predictions}: is there already")
        return
    dataset = read_scenes(config.dataset, data, "test", config.images.sample, config.images.test_images)
    trained = TrainedScenes(folder, find_devices(gpus)[0])
    if dataset.classes != trained.classes:
        raise UserError(f"{data}: its classes are not those that {folder} was trained on; give its --data")
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
    """Prints the likeliest classes of each image file, a line an image.

    Raises:
        UserError: the run is not finished or none on scenes; an image is absent, and nothing has been shown; or an
            image is damaged, and those before it have been shown.
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such image file; give the names of images, or none for the test images")
    trained = TrainedScenes(folder, find_devices(gpus)[0])
    for path in paths:
        image, _ = make_image(read_pixels(path), trained.config.images)
        probabilities = trained.probabilities(image)
        best = np.argsort(-probabilities)[:SHOWN]
        print(f"{path}: {', '.join(f'{trained.classes[each]} {probabilities[each]:.2f}' for each in best)}", flush=True)
