"""From the outputs of the head to relationship proposals: ROIs, and their pairs ranked by the weights W."""

import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray
from scipy.special import log_softmax

from data.images.proposals import PAIRS, Proposals, Ranking, best_pairs


def relationship_proposals(
    rois: NDArray,
    mask: NDArray,
    logits: NDArray,
    relations: NDArray | None,
    scales: NDArray,
    most: int = PAIRS,
) -> list[Proposals]:
    """The ROIs of each image of a batch, and their pairs with the largest weights (paper, section 4.3).

    Pairs are ranked twice: by W̃, the softmax over all pairs of real ROIs ("the top K weighted pairs in the matrix"),
    and by W_agg, the softmax over each row, which aggregates features. Both softmaxes include the pairs of a ROI with
    itself, which are not proposed. The ranking uses the logarithms of the weights, which differ even if the weights
    round to the same number.

    Args:
        rois: [B, N, 4] in pixels of the network's input.
        mask: [B, N] 1 for real ROIs, 0 for padding, which is dropped.
        logits: [B, N, 1 + classes] of the categories, background first.
        relations: [B, N, N] weights W before any softmax; None in a network without pair weights.
        scales: [B] size of each image relative to the original.
        most: pairs per image and ranking; all if an image has fewer.

    Example:
        >>> rois, weights = nd.array([[[0, 0, 9, 9], [20, 0, 29, 9]]]), nd.array([[[5, 1], [2, 5]]])
        >>> (image,) = relationship_proposals(rois, nd.ones((1, 2)), nd.zeros((1, 2, 4)), weights, scales=nd.ones(1))
        >>> image.by_matrix.pairs.tolist()
        [[1, 0], [0, 1]]
    """
    rois = nd.broadcast_div(rois, scales.reshape((-1, 1, 1)))
    probabilities = nd.softmax(logits).slice_axis(axis=2, begin=1, end=None)  # [B, N, classes]
    arrays = [array.asnumpy() for array in (rois, mask, probabilities)]
    weights = [None] * len(rois) if relations is None else relations.asnumpy()
    return [_propose(*image, most) for image in zip(*arrays, weights, strict=True)]


def _propose(
    rois: np.ndarray, mask: np.ndarray, probabilities: np.ndarray, logits: np.ndarray | None, most: int
) -> Proposals:
    """Proposals from ROIs [N, 4], mask [N], probabilities [N, classes] and W [N, N] of one image."""
    real = np.flatnonzero(mask)
    scores, labels = probabilities[real].max(axis=1), probabilities[real].argmax(axis=1)
    proposals = Proposals(rois[real], scores, labels.astype(np.uint16))
    if logits is None:
        return proposals
    # In float64: in float32 the exponentials of close numbers may have the wrong order.
    logits = logits[np.ix_(real, real)].astype(np.float64)
    return proposals._replace(by_matrix=_rank(logits, None, most), by_row=_rank(logits, 1, most))


def _rank(logits: np.ndarray, axis: int | None, most: int) -> Ranking:
    """The best pairs by the softmax of W [N, N] over all entries (`axis` None) or over each row (1)."""
    if not logits.size:
        return Ranking(np.empty((0, 2), np.uint16), np.empty(0, np.float32))
    log_weights = log_softmax(logits, axis)
    best = best_pairs(log_weights, most)
    pairs = np.stack(np.divmod(best, len(log_weights)), axis=1)
    return Ranking(pairs.astype(np.uint16), np.exp(log_weights.flat[best]).astype(np.float32))
