"""Sequences without their padding: packed for an LSTM, and in groups of like length for what sees whole sequences."""

from typing import NamedTuple

import tensorflow as tf


class Groups(NamedTuple):
    """The sequences of a `Packing` in groups of neighbours, each padded to its longest sequence only.

    Args:
        masks: of each group, [n, w] bool, which slots hold an element.
        index: of each group, [n, w] int32, the packed element in each slot; 0 where there is none.
        slots: [P] int32, where each packed element stands among the slots of all groups.
    """

    masks: list[tf.Tensor]
    index: list[tf.Tensor]
    slots: tf.Tensor

    def pad(self, packed: tf.Tensor) -> list[tf.Tensor]:
        """[P] or [P, C] -> of each group [n, w] or [n, w, C].

        Padding holds the values of some element: readers must go by the mask, and give padding a gradient of 0.
        """

        @tf.custom_gradient
        def run(packed: tf.Tensor):
            def gradient(*d_padded: tf.Tensor) -> tf.Tensor:
                # As a gather, for it costs a third of the sum that TensorFlow would make of it.
                shape = tf.concat([[-1], tf.shape(packed)[1:]], axis=0)
                return tf.gather(tf.concat([tf.reshape(part, shape) for part in d_padded], axis=0), self.slots)

            return [tf.gather(packed, index) for index in self.index], gradient

        return run(packed)


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

    def groups(self, number: int) -> Groups:
        """Cuts the sequences into `number` groups of as many sequences each, or one fewer."""
        sequences = tf.shape(self.mask)[0]  # R
        lengths = tf.math.count_nonzero(self.mask, axis=1, dtype=tf.int32)  # [R]
        starts = tf.cumsum(self.counts, exclusive=True)  # [T]
        masks, index = [], []
        for group in range(number):
            rows = tf.range(sequences * group // number, sequences * (group + 1) // number)  # [n]
            width = tf.reduce_max(tf.concat([[0], tf.gather(lengths, rows)], axis=0))  # w
            masks.append(tf.gather(self.mask, rows)[:, :width])  # [n, w]
            index.append(tf.where(masks[-1], starts[:width] + rows[:, None], 0))  # [n, w]
        real = tf.where(tf.concat([tf.reshape(mask, [-1]) for mask in masks], axis=0))  # [P, 1]
        elements = tf.gather_nd(tf.concat([tf.reshape(part, [-1]) for part in index], axis=0), real)  # [P]
        slots = tf.scatter_nd(elements[:, None], tf.cast(real[:, 0], tf.int32), tf.shape(elements))
        return Groups(masks, index, slots)


def longest_first(lengths: tf.Tensor) -> tf.Tensor:
    """Indices [R] that put sequences of these lengths [R] into the order that `Packing` wants."""
    return tf.argsort(lengths, direction="DESCENDING", stable=True)
