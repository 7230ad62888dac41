"""An LSTM over packed sequences (see `language.packed.packing`) with an explicit gradient.

The explicit gradient computes the gradient of the weights in one matrix product over all time steps, reads saved values
without copying them, and keeps the loops small graphs that compile in a second.
"""

import tensorflow as tf


def packed_lstm(
    inputs: tf.Tensor, index: tf.Tensor, recurrent_kernel: tf.Tensor, counts: tf.Tensor, reverse: bool
) -> tf.Tensor:
    """Runs an LSTM over packed sequences (Hochreiter and Schmidhuber, 1997, with forget gates, as in Keras).

    Cost: one product [counts[t], U] x [U, 4U] per time step, three times that with the gradient.

    Args:
        inputs: [V, 4U] input projections, bias included, of V distinct elements: input, forget, candidate, output gate.
        index: [P] int32, index into `inputs` of each packed element.
        recurrent_kernel: [U, 4U].
        counts: [T] int32, number of sequences with an element at each time; non-increasing.
        reverse: run from the last element of each sequence to the first.

    Returns:
        [P, U] hidden states, packed in the same order.

    >>> hidden = packed_lstm(tf.zeros([1, 8]), tf.constant([0, 0, 0]), tf.zeros([2, 8]), tf.constant([2, 1]), False)
    >>> hidden.shape  # two sequences, of two elements and one
    TensorShape([3, 2])
    """

    @tf.custom_gradient
    def run(inputs: tf.Tensor, recurrent_kernel: tf.Tensor):
        hidden, saved = _forward(inputs, index, recurrent_kernel, counts, reverse)

        def gradients(d_hidden):
            d_gates, d_kernel = _backward(d_hidden, saved, recurrent_kernel, counts, reverse)
            return tf.math.unsorted_segment_sum(d_gates, index, tf.shape(inputs)[0]), d_kernel

        return hidden, gradients

    return run(inputs, recurrent_kernel)


def _forward(
    inputs: tf.Tensor, index: tf.Tensor, recurrent_kernel: tf.Tensor, counts: tf.Tensor, reverse: bool
) -> tuple[tf.Tensor, list[tf.TensorArray]]:
    """Hidden states [P, U], and the values of each time step that the gradient needs."""
    steps, units = tf.size(counts), recurrent_kernel.shape[0]
    starts = tf.cumsum(counts, exclusive=True)

    def step(number, hidden, carry, outputs):
        time = steps - 1 - number if reverse else number
        count, start = counts[time], starts[time]
        previous, carry_before = _resize(hidden, count), _resize(carry, count)  # [count, U]
        gates = tf.gather(inputs, index[start : start + count]) + tf.matmul(previous, recurrent_kernel)  # [count, 4U]
        keep_in, forget, candidate, keep_out = tf.split(gates, 4, axis=1)
        keep_in, forget, keep_out = tf.sigmoid(keep_in), tf.sigmoid(forget), tf.sigmoid(keep_out)
        candidate = tf.tanh(candidate)
        carry = forget * carry_before + keep_in * candidate
        squashed = tf.tanh(carry)
        hidden = keep_out * squashed
        values = (hidden, previous, carry_before, squashed, keep_in, forget, candidate, keep_out)
        return (
            number + 1,
            hidden,
            carry,
            tuple(array.write(time, value) for array, value in zip(outputs, values, strict=True)),
        )

    nothing = tf.zeros([0, units], inputs.dtype)
    arrays = tuple(
        tf.TensorArray(inputs.dtype, steps, infer_shape=False, element_shape=[None, units]) for _ in range(8)
    )
    _, _, _, arrays = tf.while_loop(
        lambda number, *_: number < steps,
        step,
        (0, nothing, nothing, arrays),
        shape_invariants=(tf.TensorShape([]), *[tf.TensorShape([None, units])] * 2, (None,) * 8),
    )
    hidden, *saved = arrays
    return hidden.concat(), saved


def _backward(
    gradient: tf.Tensor, saved: list[tf.TensorArray], recurrent_kernel: tf.Tensor, counts: tf.Tensor, reverse: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of the gates [P, 4U] and `recurrent_kernel` [U, 4U] from the gradient of the hidden states [P, U]."""
    steps, units = tf.size(counts), recurrent_kernel.shape[0]
    starts = tf.cumsum(counts, exclusive=True)
    previous, *rest = saved

    def step(number, d_hidden, d_carry, d_gates):
        time = number if reverse else steps - 1 - number
        count, start = counts[time], starts[time]
        carry_before, squashed, keep_in, forget, candidate, keep_out = (
            array.read(time) for array in rest
        )  # [count, U]
        d_hidden = _resize(d_hidden, count) + gradient[start : start + count]
        d_carry = _resize(d_carry, count) + _tanh_gradient(squashed, d_hidden * keep_out)
        d_step = tf.concat(
            [
                _sigmoid_gradient(keep_in, d_carry * candidate),
                _sigmoid_gradient(forget, d_carry * carry_before),
                _tanh_gradient(candidate, d_carry * keep_in),
                _sigmoid_gradient(keep_out, d_hidden * squashed),
            ],
            axis=1,
        )  # [count, 4U]
        d_hidden = tf.matmul(d_step, recurrent_kernel, transpose_b=True)
        return number + 1, d_hidden, d_carry * forget, d_gates.write(time, d_step)

    nothing = tf.zeros([0, units], gradient.dtype)
    array = tf.TensorArray(gradient.dtype, steps, infer_shape=False, element_shape=[None, 4 * units])
    _, _, _, array = tf.while_loop(
        lambda number, *_: number < steps,
        step,
        (0, nothing, nothing, array),
        shape_invariants=(tf.TensorShape([]), *[tf.TensorShape([None, units])] * 2, None),
    )
    d_gates = array.concat()  # [P, 4U]
    return d_gates, tf.matmul(previous.concat(), d_gates, transpose_a=True)


def _sigmoid_gradient(output: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.SigmoidGrad(y=output, dy=gradient)  # gradient * output * (1 - output), in one pass


def _tanh_gradient(output: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.TanhGrad(y=output, dy=gradient)  # gradient * (1 - output²)


def _resize(state: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Drops the states of sequences that have ended, or adds zero states for sequences that start."""
    state = state[:count]
    return tf.pad(state, [[0, count - tf.shape(state)[0]], [0, 0]])
