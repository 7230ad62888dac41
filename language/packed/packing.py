"""Sequences without padding: packed for an LSTM, and in groups of similar length for layers over whole sequences."""

from typing import NamedTuple

import tensorflow as tf


class Groups(NamedTuple):
    """The sequences of a `Packing` in consecutive groups, each padded to its longest sequence.

    Args:
        masks: for each group, [n, w] bool, false for padding.
        index: for each group, [n, w] int32, index of the packed element in each slot; 0 at padding.
        slots: [P] int32, slot of each packed element among the slots of all groups.
    """

    masks: list[tf.Tensor]
    index: list[tf.Tensor]
    slots: tf.Tensor

    def pad(self, packed: tf.Tensor) -> list[tf.Tensor]:
        """[P] or [P, C] -> for each group [n, w] or [n, w, C].

        Padding contains values of an arbitrary element: mask the result, and give padding a gradient of 0.
        """

        @tf.custom_gradient
        def run(packed: tf.Tensor):
            def gradient(*d_padded: tf.Tensor) -> tf.Tensor:
                # A gather costs a third of the sum that TensorFlow would compute.
                shape = tf.concat([[-1], tf.shape(packed)[1:]], axis=0)
                return tf.gather(tf.concat([tf.reshape(part, shape) for part in d_padded], axis=0), self.slots)

            return [tf.gather(packed, index) for index in self.index], gradient

        return run(packed)


class Packing(NamedTuple):
    """The P elements of R sequences in the order in which an LSTM consumes them (as PyTorch's packed sequences).

    The first elements of all sequences come first, then all second elements, and so on. Longer sequences come first, so
    the sequences that continue at the next time step are always the leading ones.

    Args:
        mask: [R, T] bool, false for padding.
        counts: [T] int32, number of sequences with an element at each time.

    >>> packing = Packing.of(tf.constant([[1, 2, 3], [4, 0, 0]]) > 0)
    >>> packing.pack(tf.constant([[1, 2, 3], [4, 0, 0]])).numpy()
    array([1, 4, 2, 3], dtype=int32)
    """

    mask: tf.Tensor
    counts: tf.Tensor

    @classmethod
    def of(cls, mask: tf.Tensor) -> "Packing":
        """Packs sequences sorted by decreasing length, each with its padding at the end.

        Raises:
            InvalidArgumentError: padding precedes an element, or a sequence is longer than the previous one.
        """
        after_padding = mask[:, 1:] & ~mask[:, :-1]
        longer_than_before = mask[1:] & ~mask[:-1]
        tf.debugging.assert_equal(tf.reduce_any(after_padding), False, "padding before an element")
        tf.debugging.assert_equal(
            tf.reduce_any(longer_than_before), False, "sequences are not sorted by decreasing length"
        )
        return cls(mask, tf.math.count_nonzero(mask, axis=0, dtype=tf.int32))

    def pack(self, padded: tf.Tensor) -> tf.Tensor:
        """[R, T] -> [P]."""
        return tf.boolean_mask(tf.transpose(padded), tf.transpose(self.mask))

    def groups(self, number: int) -> Groups:
        """Splits the sequences into `number` groups whose sizes differ by at most one."""
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
    """Indices [R] that sort sequences of these lengths [R] for `Packing`."""
    return tf.argsort(lengths, direction="DESCENDING", stable=True)
