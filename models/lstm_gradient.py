"""An LSTM over sequences under TensorFlow, with a gradient of its own.

The product with the inputs is taken before the loop over steps, and those that give the gradients
of the weights after it; XLA compiles both. TensorFlow's own gradient of a loop adds up one of a
megabyte at every step. All arithmetic is that of the inputs' type.

Axes: L steps, B rows, I inputs, H units, 4H the gates i, f, g and o.
"""

from typing import Any

import tensorflow as tf


def run(inputs: Any, state: list, weights: list) -> tuple:
    """Run the LSTM over sequences.

    Args:
        inputs: `(B, L, I)`.
        state: before the first step, `[h, c]` of `(B, H)`.
        weights: kernel `(I, 4H)`, recurrent kernel `(H, 4H)`, bias `(4H,)`.

    Returns:
        Outputs `(B, L, H)` and the state after the last step.
    """
    inputs = tf.transpose(inputs, (1, 0, 2))
    others = (tf.cast(values, inputs.dtype) for values in (*state, *weights))
    outputs, *state = _with_gradient(inputs, *others)
    return tf.transpose(outputs, (1, 0, 2)), state


@tf.custom_gradient
def _with_gradient(*arguments: Any) -> tuple:
    """Return outputs and state of all that `_forward` takes, and what gives their gradient."""
    # a tape that watched the arguments would record the loop as well
    inputs, hidden, cell, kernel, recurrent, bias = map(tf.stop_gradient, arguments)
    outputs, cells, gates = _forward(inputs, hidden, cell, kernel, recurrent, bias)

    def gradient(*upstream: Any) -> tuple:
        before = [_earlier(first, v) for first, v in ((hidden, outputs), (cell, cells))]
        return _backward(inputs, *before, cells, gates, kernel, recurrent, *upstream)

    return (outputs, outputs[-1], cells[-1]), gradient


def _earlier(first: Any, values: Any) -> Any:
    """Return what was before each step: `first` `(B, H)`, then values `(L, B, H)` but the last."""
    return tf.concat([first[None], values[:-1]], axis=0)


@tf.function(jit_compile=True)
def _forward(inputs: Any, hidden: Any, cell: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple:
    """Return outputs and cells `(L, B, H)` and gates `(L, B, 4H)` of inputs `(L, B, I)`."""
    steps = tf.shape(inputs)[0]
    driven = tf.tensordot(inputs, kernel, 1) + bias
    arrays = tuple(tf.TensorArray(inputs.dtype, steps) for _ in range(3))

    def body(step: Any, hidden: Any, cell: Any, arrays: tuple) -> tuple:
        i, f, g, o = tf.split(driven[step] + hidden @ recurrent, 4, axis=1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        cell = f * cell + i * g
        hidden = o * tf.tanh(cell)
        now = hidden, cell, tf.concat([i, f, g, o], axis=1)
        return step + 1, hidden, cell, tuple(a.write(step, v) for a, v in zip(arrays, now))

    carry = 0, hidden, cell, arrays
    *_, arrays = tf.while_loop(lambda step, *_: step < steps, body, carry, maximum_iterations=steps)
    return tuple(array.stack() for array in arrays)


@tf.function(jit_compile=True)
def _backward(
    inputs: Any,
    hidden_before: Any,
    cell_before: Any,
    cells: Any,
    gates: Any,
    kernel: Any,
    recurrent: Any,
    d_outputs: Any,
    d_hidden: Any,
    d_cell: Any,
) -> tuple:
    """Return the gradients of all that `_forward` takes, in its order."""
    steps = tf.shape(inputs)[0]
    back = tf.transpose(recurrent)

    def body(left: Any, d_hidden: Any, d_cell: Any, array: Any) -> tuple:
        step = left - 1
        i, f, g, o = tf.split(gates[step], 4, axis=1)
        squashed = tf.tanh(cells[step])
        d_hidden = d_hidden + d_outputs[step]
        d_cell = d_cell + d_hidden * o * (1.0 - squashed * squashed)
        d_gates = (
            d_cell * g * i * (1.0 - i),
            d_cell * cell_before[step] * f * (1.0 - f),
            d_cell * i * (1.0 - g * g),
            d_hidden * squashed * o * (1.0 - o),
        )
        d_driven = tf.concat(d_gates, axis=1)
        return step, d_driven @ back, d_cell * f, array.write(step, d_driven)

    carry = steps, d_hidden, d_cell, tf.TensorArray(inputs.dtype, steps)
    _, d_hidden, d_cell, array = tf.while_loop(
        lambda left, *_: left > 0, body, carry, maximum_iterations=steps
    )
    d_driven = array.stack()
    flat = tf.reshape(d_driven, (-1, d_driven.shape[-1] or 4 * recurrent.shape[0]))
    rows = (tf.reshape(v, (-1, v.shape[-1])) for v in (inputs, hidden_before))
    d_kernel, d_recurrent = (tf.matmul(v, flat, transpose_a=True) for v in rows)
    d_inputs = tf.tensordot(d_driven, tf.transpose(kernel), 1)
    return d_inputs, d_hidden, d_cell, d_kernel, d_recurrent, tf.reduce_sum(flat, axis=0)
