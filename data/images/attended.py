"""The file of attended regions: what each region of some images attends to in a trained network.

`vision.attended` writes it; `scripts.figures.attended` reads it for Figures 1 and 7 and the page of relations. With I
images, R ROIs in all and C categories, its arrays are

    run, variant        str; the run, as `<preset>/<dataset>/<variant>/seed<k>`, and its variant
    classes [C]         str
    images [I]          str; paths of the image files, as given
    sizes [I, 2]        width and height in pixels
    roi_offsets [I+1]   image i has the rows roi_offsets[i] to roi_offsets[i+1] of the fields of `Regions`
    left_out [L]        str; one line per image file of a folder that could not be read

and one array per field of `Regions`.
"""

from typing import NamedTuple

import numpy as np


class Regions(NamedTuple):
    """The N ROIs of an image, and the A others that each attends to most.

    Attention weights are those that FAN aggregates with, W_agg (eq. 4): the softmax over each row of W. The weights of
    a ROI to all ROIs, itself included, sum to 1.

    Args:
        rois: [N, 4] corners in pixels of the image.
        boxes: [N, 4] the ROIs after box regression, as in detections.
        labels: [N] most likely category.
        probabilities: [N] of that category.
        scores: [N] the same after soft-NMS: small next to a better ROI on the same object.
        row_masses: [N] share of each row in the total weight of all pairs, W̃ (eq. 2).
        self_weights: [N] attention weight of each ROI to itself.
        attended: [N, A] the others that each attends to most, best first, as indices within the image; -1 for none.
        weights: [N, A] their attention weights; 0 for none.
    """

    rois: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    scores: np.ndarray
    row_masses: np.ndarray
    self_weights: np.ndarray
    attended: np.ndarray
    weights: np.ndarray


DTYPES = Regions(*(np.float32, np.float32, np.int64), *4 * [np.float32], np.int16, np.float32)
IMAGE_FIELDS = ("run", "variant", "classes", "images", "sizes", "roi_offsets", "left_out")
FIELDS = (*IMAGE_FIELDS, *Regions._fields)
