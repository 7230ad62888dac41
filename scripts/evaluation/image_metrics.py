"""From a file of detections or relations, and the data set that it is of, to numbers."""

from pathlib import Path

import numpy as np

from data.common.errors import UserError
from data.records import ImageDataset
from scripts.evaluation.metrics.detection import average_precisions, objects_of
from scripts.evaluation.metrics.relations import Rule
from scripts.evaluation.predictions import read_detections
from scripts.evaluation.relation_recall import DISTINCT, recall_of_orders

Metrics = dict[str, float | int]

HARD_NMS = "hard_nms_"


def detection_metrics(path: Path, dataset: ImageDataset, data: Path, nms: str = "soft") -> Metrics:
    """Mean average precisions over the categories, and those of each category.

    `map` and `map_50` are COCO's; `voc_map`, `voc_map_50` and `voc_area_map_50` VOC's; `ap/<category>` and so on are
    what they are the means of. A category without an object to find has none.

    Args:
        path: a `detections.json`.
        dataset: the images that it is of.
        data: where they are, for errors.
        nms: with "hard", all names begin with `hard_nms_`.
    """
    detections = read_detections(path, dataset)
    precisions = average_precisions(detections, objects_of(dataset), len(dataset.classes))._asdict()
    if np.isnan(precisions["ap"]).all():
        raise UserError(f"{data}: the test images have no object to find; give their annotations")
    metrics: Metrics = {name.replace("ap", "map"): float(np.nanmean(values)) for name, values in precisions.items()}
    metrics |= {"detections": len(detections.scores), "images": len(dataset.records)}
    for name, values in precisions.items():
        of_category = zip(dataset.classes, values.tolist(), strict=True)
        metrics |= {f"{name}/{category}": value for category, value in of_category if not np.isnan(value)}
    prefix = HARD_NMS if nms == "hard" else ""
    return {f"{prefix}{name}": value for name, value in metrics.items()}


def relation_metrics(
    path: Path,
    dataset: ImageDataset,
    data: Path,
    top_k: list[int],
    rule: Rule,
    unordered: bool = False,
    distinct: bool = False,
) -> Metrics:
    """Recall of relations at each K, of the network's rankings and of the reference orders.

    `scripts.evaluation.relation_recall` says how the numbers are named.

    Args:
        path: a `relations.npz`.
        dataset, data: as above.
        top_k: the values of K.
        rule: which objects are related.
        unordered: whether a pair of ROIs may find an annotated relation in either order; others have none.
        distinct: whether recall after passing over duplicate pairs is measured, too.
    """
    if unordered and rule != "annotated":
        raise UserError(f"--unordered: relations by the rule {rule} have no order; leave it out, or --rule annotated")
    if rule == "annotated" and dataset.records[0].relations is None:
        raise UserError(f"{data}: the test images have no annotated relations; give another --rule")
    directed = rule == "annotated" and not unordered
    found = recall_of_orders(path, dataset, top_k, rule, directed, distinct)
    if not found.images:
        raise UserError(f"{data}: no test image has a relation ({rule}); give images that do")
    prefix = ("" if rule == "different_category" else f"{rule}_") + ("unordered_" if unordered else "")
    metrics: Metrics = {}
    for order, of_order in found.orders.items():
        name = f"{prefix}{order}"
        mean = zip(top_k, of_order.mean.tolist(), strict=False)  # without duplicates, of the smaller K alone
        metrics |= {f"{name}recall@{k}": value for k, value in mean}
        if not order.endswith(DISTINCT):
            pooled = zip(top_k, of_order.pooled.tolist(), strict=True)
            metrics |= {f"{name}pooled_recall@{k}": value for k, value in pooled}
    return {
        **metrics,
        f"{prefix}relations": found.relations,
        f"{prefix}relation_images": found.images,
        f"{prefix}images_without_relation": len(dataset.records) - found.images,
    }


def describe_detection(metrics: Metrics) -> str:
    """One line for the screen."""
    of = {name.removeprefix(HARD_NMS): value for name, value in metrics.items()}
    return (
        f"mAP@0.50:0.95 {of['map']:.2%}, mAP@0.50 {of['map_50']:.2%}; VOC mAP@0.5 {of['voc_map_50']:.2%} at 11 points, "
        f"{of['voc_area_map_50']:.2%} as area, mAP@0.50:0.95 {of['voc_map']:.2%} at 11 points; "
        f"{of['detections']:,} detections in {of['images']:,} images"
    )


def describe_relations(metrics: Metrics) -> str:
    """A line on the relations, and a table of recall (%): a line per order, a column per K."""
    relations, images, without = (value for name, value in metrics.items() if "@" not in name)
    recalls: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        order, _, k = name.partition("recall@")
        if k and not order.endswith("pooled_"):
            recalls.setdefault(order, {})[k] = value
    first = next(iter(recalls.values()))
    lines = [f"{relations:,} relations in {images:,} images, {without:,} without"]
    lines.append(f"{'recall (%) at K =':34}" + "".join(f"{k:>8}" for k in first))
    for order, values in recalls.items():
        lines.append(f"{title_of(order):>34}" + "".join(f"{value:8.1%}".replace("%", "") for value in values.values()))
    return "\n".join(lines)


def title_of(order: str) -> str:
    """An order of pairs in words, from its name in metrics.json."""
    titles = {"row_": "W_agg", "random_": "random order", "rpn_": "RPN's order", "detector_": "detector's order"}
    key = order.removesuffix(DISTINCT)
    title = next((title for name, title in titles.items() if key.endswith(name)), "W̃")
    return title + (", no duplicates" if order != key else "")
