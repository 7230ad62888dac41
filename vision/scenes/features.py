"""What the fixed layers of a scene network make of the images of an epoch, kept in memory as far as it goes."""

from collections.abc import Iterator, Sequence
from itertools import cycle

import mxnet as mx
import numpy as np
from mxnet import nd

from data.images.pixels import read_pixels
from data.records import SceneRecord
from vision.loader import View, read_ahead
from vision.scenes.config import SceneImagesConfig
from vision.scenes.network import SceneNetwork, Seen
from vision.transforms import make_image


class Memory:
    """Keeps what has been seen of views, on the CPU, until it is full; what comes then is looked at in each epoch anew.

    An image of 600 × 1000 pixels takes 20 MB of conv5 by ResNet-101, one of the miniature 0.2 MB.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int):
        self._free = limit
        self._seen: dict[View, Seen] = {}

    def __contains__(self, view: View) -> bool:
        return view in self._seen

    def get(self, view: View, device: mx.Context) -> Seen | None:
        """What is kept of a view, on a device; None where nothing is."""
        seen = self._seen.get(view)
        return seen and _moved(seen, device)

    def keep(self, view: View, seen: Seen) -> None:
        """Keeps what has been seen of a view, if there is room."""
        size = sum(4 * array.size for array in seen if array is not None)
        if size <= self._free:
            self._free -= size
            self._seen[view] = _moved(seen, mx.cpu())


def scene_order(images: int, flipped_copies: bool, batch_size: int, seed: int, epoch: int) -> list[list[View]]:
    """The batches of an epoch, drawn from seed and epoch: every image once, and once mirrored with `flipped_copies`."""
    mirrored = (False, True) if flipped_copies else (False,)
    views = [View(index, flipped) for flipped in mirrored for index in range(images)]
    shuffled = [views[place] for place in np.random.default_rng([seed, epoch]).permutation(len(views))]
    return [shuffled[start : start + batch_size] for start in range(0, len(shuffled), batch_size)]


def read_views(
    records: Sequence[SceneRecord], images: SceneImagesConfig, views: list[View], workers: int
) -> Iterator[np.ndarray]:
    """Yields views, one after the other, as the network sees them: [3, H, W] float32.

    Raises:
        UserError: an image is absent or damaged.
    """
    return iter(read_ahead(_Images(records, images), [[view] for view in views], _only, workers))


def look_at_batches(
    network: SceneNetwork,
    records: Sequence[SceneRecord],
    images: SceneImagesConfig,
    order: list[list[View]],
    devices: list[mx.Context],
    memory: Memory,
    workers: int,
) -> Iterator[tuple[list[View], list[Seen]]]:
    """Yields the batches of an epoch and what the fixed layers see in their images, which the devices take in turn.

    Raises:
        UserError: an image is absent or damaged.
    """
    fresh = read_views(records, images, [view for views in order for view in views if view not in memory], workers)

    def look(view: View, device: mx.Context) -> Seen:
        seen = memory.get(view, device)
        if seen is None:
            seen = look_at(network, next(fresh), device)
            memory.keep(view, seen)
        return seen

    for views in order:
        yield views, [look(view, device) for view, device in zip(views, cycle(devices), strict=False)]


def look_at(network: SceneNetwork, image: np.ndarray, device: mx.Context) -> Seen:
    """What the fixed layers see in an image [3, H, W]."""
    return network.look(nd.array(image[None], ctx=device), nd.array([image.shape[1:]], ctx=device))


class _Images:
    """What Gluon takes as a data set: the image of each view."""

    def __init__(self, records: Sequence[SceneRecord], images: SceneImagesConfig):
        self._records, self._images = records, images

    def __getitem__(self, view: View) -> np.ndarray:
        pixels = read_pixels(self._records[view.index].path)
        return make_image(pixels[:, ::-1] if view.flipped else pixels, self._images)[0]


def _only(samples: list[np.ndarray]) -> np.ndarray:
    (sample,) = samples
    return sample


def _moved(seen: Seen, device: mx.Context) -> Seen:
    return Seen(*(array if array is None else array.as_in_context(device) for array in seen))
