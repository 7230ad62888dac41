"""The rules of T: which objects of an image are related (paper, section 3.2 and appendix A.4).

Training, evaluation and Figure 4 share these rules. `vision.targets.relation_targets` applies them to ROIs on the
device.
"""

from typing import Literal

import numpy as np

from data.records import ImageRecord

Rule = Literal["different_category", "different_instance", "annotated"]


def usable_objects(record: ImageRecord) -> np.ndarray:
    """[G] bool: the objects that are learned and related, which are neither difficult nor crowds."""
    return ~(record.difficult | record.crowd)


def relations_of(record: ImageRecord, rule: Rule) -> np.ndarray:
    """The relations between the usable objects of an image.

    Args:
        record: the image; the rule "annotated" needs its `relations`.
        rule: "annotated", or a rule of `relations_between`.

    Returns:
        [R, 2] rows of `record.boxes`.
    """
    usable = usable_objects(record)
    if rule == "annotated":
        return record.relations[usable[record.relations].all(axis=1)]
    return np.flatnonzero(usable)[relations_between(record.labels[usable], rule)]


def relations_between(labels: np.ndarray, rule: Rule) -> np.ndarray:
    """The relations of an image without relation annotations. They have no direction.

    Args:
        labels: [G] category of each object.
        rule: "different_category", or "different_instance" for all pairs of objects.

    Returns:
        [R, 2] indices of objects, the smaller one first.

    Example:
        >>> relations_between(np.array([7, 7, 2]), "different_category").tolist()
        [[0, 2], [1, 2]]
    """
    first, second = np.triu_indices(len(labels), k=1)
    related = labels[first] != labels[second] if rule == "different_category" else np.full(len(first), True)
    return np.stack([first[related], second[related]], axis=1)
