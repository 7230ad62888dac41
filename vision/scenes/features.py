"""The output of a scene network's frozen layers for the images of an epoch, kept in memory as far as it fits."""

from collections.abc import Iterator, Sequence
from itertools import cycle

import mxnet as mx
import numpy as np
from mxnet import nd

from data.images.pixels import read_pixels
from data.records import SceneRecord
from vision.loader import View, read_ahead
from vision.scenes.config import SceneImagesConfig
from vision.scenes.network import Features, SceneNetwork
from vision.transforms import make_image


class FeatureCache:
    """Keeps the features of views on the CPU until it is full; the features of other views are recomputed every epoch.

    conv5 of ResNet-101 takes 20 MB for an image of 600 × 1000 pixels; the miniature's takes 0.2 MB.

    Args:
        limit: size in bytes.
    """

    def __init__(self, limit: int):
        self._free = limit
        self._features: dict[View, Features] = {}

    def __contains__(self, view: View) -> bool:
        return view in self._features

    def get(self, view: View, device: mx.Context) -> Features | None:
        """The features of a view on a device; None if they are not in the cache."""
        features = self._features.get(view)
        return features and _moved(features, device)

    def add(self, view: View, features: Features) -> None:
        """Keeps the features of a view if they fit."""
        size = sum(4 * array.size for array in features if array is not None)
        if size <= self._free:
            self._free -= size
            self._features[view] = _moved(features, mx.cpu())


def scene_order(images: int, flipped_copies: bool, batch_size: int, seed: int, epoch: int) -> list[list[View]]:
    """The batches of an epoch in an order that depends on seed and epoch.

    Example:
        >>> batches = scene_order(images=3, flipped_copies=True, batch_size=4, seed=0, epoch=1)
        >>> [len(batch) for batch in batches]
        [4, 2]
        >>> sorted(view for batch in batches for view in batch)[:2]
        [View(index=0, flipped=False), View(index=0, flipped=True)]
    """
    mirrored = (False, True) if flipped_copies else (False,)
    views = [View(index, flipped) for flipped in mirrored for index in range(images)]
    shuffled = [views[place] for place in np.random.default_rng([seed, epoch]).permutation(len(views))]
    return [shuffled[start : start + batch_size] for start in range(0, len(shuffled), batch_size)]


def read_views(
    records: Sequence[SceneRecord], images: SceneImagesConfig, views: list[View], workers: int
) -> Iterator[np.ndarray]:
    """Yields the network's input for each view, [3, H, W] float32.

    Raises:
        UserError: an image is missing or damaged.
    """
    return iter(read_ahead(_Images(records, images), [[view] for view in views], _only, workers))


def frozen_features(
    network: SceneNetwork,
    records: Sequence[SceneRecord],
    images: SceneImagesConfig,
    order: list[list[View]],
    devices: list[mx.Context],
    cache: FeatureCache,
    workers: int,
) -> Iterator[tuple[list[View], list[Features]]]:
    """Yields each batch of an epoch with the features of its images, which are on the devices in turn.

    Raises:
        UserError: an image is missing or damaged.
    """
    to_read = [view for views in order for view in views if view not in cache]
    inputs = read_views(records, images, to_read, workers)

    def features_of(view: View, device: mx.Context) -> Features:
        features = cache.get(view, device)
        if features is None:
            features = extract(network, next(inputs), device)
            cache.add(view, features)
        return features

    for views in order:
        yield views, [features_of(view, device) for view, device in zip(views, cycle(devices), strict=False)]


def extract(network: SceneNetwork, image: np.ndarray, device: mx.Context) -> Features:
    """The features of an image [3, H, W]."""
    return network.extract(nd.array(image[None], ctx=device), nd.array([image.shape[1:]], ctx=device))


class _Images:
    """A Gluon data set of the images of all views."""

    def __init__(self, records: Sequence[SceneRecord], images: SceneImagesConfig):
        self._records, self._images = records, images

    def __getitem__(self, view: View) -> np.ndarray:
        pixels = read_pixels(self._records[view.index].path)
        return make_image(pixels[:, ::-1] if view.flipped else pixels, self._images)[0]


def _only(samples: list[np.ndarray]) -> np.ndarray:
    (sample,) = samples
    return sample


def _moved(features: Features, device: mx.Context) -> Features:
    return Features(*(array if array is None else array.as_in_context(device) for array in features))
