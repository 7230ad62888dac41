"""Pictures of the detections in an image and of the strongest relations between its ROIs."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from mxnet import nd

from data.common.files import replaced_on_success
from data.images.proposals import Proposals
from vision.models.boxes import iou
from vision.postprocess import Detections

PANEL = 6.5  # inches, longer side of the image
LEAST_WIDTH = 3.5  # inches, so that titles fit above a narrow image
TITLES = 0.6  # inches
LABEL = 0.03  # height of the label of a box, as a fraction of the longer side
GOLDEN = 0.618  # step on the colour circle between classes; successive hues differ for any number of classes
SATURATIONS = (0.9, 0.6, 0.35)  # in turn, because hues nearly repeat after 5, 8 and 13 classes
GRAY = "#bbbbbb"
SAME_PLACE = 0.5  # IoU above which two boxes count as the same


def draw_detections(
    pixels: np.ndarray,
    detections: Detections,
    classes: tuple[str, ...],
    proposals: Proposals,
    path: Path,
    threshold: float = 0.5,
    relations: int = 10,
) -> None:
    """Writes a PNG of the detections in an image and, with pair weights, of its strongest relations.

    The left panel shows the boxes with class and score, in the colour of the class. The right panel shows the ROIs of
    the strongest pairs, in the colour of the detection under them or gray, and lines between their centres, whose width
    grows with the weight.

    Args:
        pixels: [H, W, 3] uint8 RGB.
        detections: detections in the image.
        classes: class names.
        proposals: proposals of the image; the right panel requires rankings.
        path: the file to write; its stem is the title.
        threshold: minimum score of the detections shown.
        relations: number of relations shown; see `strongest_relations`.
    """
    shown = Detections(*(column[detections.scores > threshold] for column in detections))
    height, width = np.array(pixels.shape[:2]) * PANEL / max(pixels.shape[:2])
    panels = 1 if proposals.by_matrix is None else 2
    # Without pyplot, which has global state and may need a screen.
    figure = Figure(figsize=(panels * max(width, LEAST_WIDTH), height + TITLES), layout="constrained")
    figure.suptitle(path.stem, fontsize=11, fontweight="bold", parse_math=False)
    first, *others = figure.subplots(1, panels, squeeze=False)[0]
    _show(first, pixels, f"detections with a score above {threshold:g}: {len(shown.boxes)}")
    _draw_detections(first, shown, classes, pixels.shape)
    for axes in others:
        chosen = strongest_relations(proposals, relations)
        _show(axes, pixels, f"strongest relations of {len(proposals.rois)} ROIs: {len(chosen)}")
        _draw_relations(axes, proposals, chosen, shown)
    with replaced_on_success(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def strongest_relations(proposals: Proposals, most: int) -> list[int]:
    """Rows of the `most` best pairs, without pairs that nearly repeat a better one.

    A pair repeats another if its ROIs overlap the ROIs of the other, one each and in either order, with an IoU above
    0.5.
    """
    rois, pairs = proposals.rois, proposals.by_matrix.pairs
    if not len(pairs):
        return []
    same = iou(nd.array(rois), nd.array(rois)).asnumpy() > SAME_PLACE  # [N, N]
    m, n = pairs.T
    left, chosen = np.ones(len(pairs), bool), []
    while left.any() and len(chosen) < most:
        best = int(left.argmax())
        chosen.append(best)
        left &= ~(same[m[best], m] & same[n[best], n] | same[m[best], n] & same[n[best], m])
        left[best] = False  # a ROI without area does not even overlap itself
    return chosen


def class_color(label: int) -> np.ndarray:
    """RGB [3] of a class."""
    return hsv_to_rgb((label * GOLDEN % 1, SATURATIONS[label % len(SATURATIONS)], 0.95))


def _show(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels)
    axes.axis("off")
    axes.set_title(title, fontsize=9)


def _draw_detections(axes: Axes, detections: Detections, classes: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Draws the boxes of an image [H, W, 3] with class and score, the best one last."""
    height, width, _ = shape
    for box, score, label in reversed(list(zip(*detections, strict=True))):
        color = class_color(label)
        _draw_box(axes, box, color, linewidth=2)
        on_the_left = box[0] + box[2] < width  # text runs towards the middle and stays inside the image
        has_space = box[1] > LABEL * max(height, width)
        axes.text(
            box[0] if on_the_left else box[2],
            box[1],
            f"{classes[label]} {score:.2f}",
            ha="left" if on_the_left else "right",
            va="bottom" if has_space else "top",
            fontsize=8,
            color="black" if color @ (0.299, 0.587, 0.114) > 0.5 else "white",
            bbox={"facecolor": color, "alpha": 0.85, "linewidth": 0, "pad": 1.5},
            parse_math=False,
        )


def _draw_relations(axes: Axes, proposals: Proposals, chosen: list[int], detections: Detections) -> None:
    """Draws the ROIs of the chosen pairs and, on top, lines between their centres, the strongest last."""
    pairs, weights = (array[chosen] for array in proposals.by_matrix)
    strongest = weights.max(initial=0) or 1  # all weights may be 0 if the diagonal is saturated
    for roi in np.unique(pairs):
        box = proposals.rois[roi]
        _draw_box(axes, box, _color_of_detection(box, detections), linewidth=1)
    for pair, weight in reversed(list(zip(pairs, weights, strict=True))):
        ends = proposals.rois[pair].reshape(2, 2, 2).mean(axis=1)  # [2, 2] x and y of the centres
        width = 0.8 + 2.2 * weight / strongest
        outline = [Stroke(linewidth=width + 1.2, foreground="black"), Normal()]
        axes.plot(*ends.T, color="white", linewidth=width, marker="o", markersize=width + 1.5, path_effects=outline)


def _color_of_detection(box: np.ndarray, detections: Detections) -> np.ndarray | str:
    """The colour of the detection under a box; gray if there is none."""
    if not len(detections.boxes):
        return GRAY
    overlaps = iou(nd.array(box[None]), nd.array(detections.boxes)).asnumpy()[0]
    best = overlaps.argmax()
    return class_color(detections.labels[best]) if overlaps[best] > SAME_PLACE else GRAY


def _draw_box(axes: Axes, box: np.ndarray, color: np.ndarray | str, linewidth: float) -> None:
    """Draws the outer edge of a box, with a dark outline."""
    x1, y1, x2, y2 = box
    outline = [Stroke(linewidth=linewidth + 1, foreground="black", alpha=0.5), Normal()]
    corner = x1 - 0.5, y1 - 0.5  # in Matplotlib, centres of pixels are integers
    style = {"fill": False, "edgecolor": color, "linewidth": linewidth, "path_effects": outline}
    axes.add_patch(Rectangle(corner, x2 - x1 + 1, y2 - y1 + 1, **style))
