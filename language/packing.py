"""Sequences without their padding: packed for an LSTM, and in groups of like length for what sees whole sequences."""

from typing import NamedTuple

import tensorflow as tf


class Group(NamedTuple):
    """Neighbouring sequences of a `Packing`, padded to the longest of them.

    Args:
        mask: [n, w] bool, which slots hold an element.
        index: [n, w] int32, the packed element in each slot; 0 where there is none.
    """

    mask: tf.Tensor
    index: tf.Tensor

    def pad(self, packed: tf.Tensor) -> tf.Tensor:
        """[P, ...] -> [n, w, ...]. Padding holds the values of some element: readers must go by the mask."""
        return tf.gather(packed, self.index)


class Packing(NamedTuple):
    """The P elements of R sequences in the order in which an LSTM takes them.

    First come the first elements of all sequences, then the second elements of those that have one, and so on. Within
    a time step the sequences stand by falling length, so that those that go on are always the first ones (as in
    PyTorch's packed sequences).

    Args:
        mask: [R, T] bool, which slots of the padded sequences hold an element.
        counts: [T] int32, how many sequences have an element at each time.
    """

    mask: tf.Tensor
    counts: tf.Tensor

    @classmethod
    def of(cls, mask: tf.Tensor) -> "Packing":
        """Packs sequences, the longest first, each with its elements before its padding.

        Raises:
            InvalidArgumentError: padding stands between elements, or a sequence is longer than the one before it.
        """
        after_padding = mask[:, 1:] & ~mask[:, :-1]
        longer_than_before = mask[1:] & ~mask[:-1]
        tf.debugging.assert_equal(tf.reduce_any(after_padding), False, "padding stands between elements")
        tf.debugging.assert_equal(tf.reduce_any(longer_than_before), False, "sequences are not by falling length")
        return cls(mask, tf.math.count_nonzero(mask, axis=0, dtype=tf.int32))

    def pack(self, padded: tf.Tensor) -> tf.Tensor:
        """[R, T] -> [P]."""
        return tf.boolean_mask(tf.transpose(padded), tf.transpose(self.mask))

    def groups(self, number: int) -> list[Group]:
        """Cuts the sequences into `number` groups of equal size, give or take one."""
        sequences = tf.shape(self.mask)[0]  # R
        lengths = tf.math.count_nonzero(self.mask, axis=1, dtype=tf.int32)  # [R]
        starts = tf.cumsum(self.counts, exclusive=True)  # [T]
        groups = []
        for group in range(number):
            rows = tf.range(sequences * group // number, sequences * (group + 1) // number)  # [n]
            width = tf.reduce_max(tf.concat([[0], tf.gather(lengths, rows)], axis=0))  # w
            mask = tf.gather(self.mask, rows)[:, :width]  # [n, w]
            groups.append(Group(mask, tf.where(mask, starts[:width] + rows[:, None], 0)))
        return groups


def longest_first(lengths: tf.Tensor) -> tf.Tensor:
    """Indices [R] that put sequences of these lengths [R] into the order that `Packing` wants."""
    return tf.argsort(lengths, direction="DESCENDING", stable=True)
