"""The LSTM over whole sequences, in the form that is fastest where it runs.

On a processor under TensorFlow it is `lstm_gradient`; on a GPU, where there is cuDNN, and under JAX
Keras' own layer is faster.

Axes: B rows, L steps, I inputs, H units, 4H the gates i, f, g and o.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .fused import on_processor

if keras.backend.backend() == "tensorflow":
    from . import lstm_gradient

CLOSED = -1e4  # added to gates i, f and o it leaves nothing of a state, exactly, in any precision
Run = Callable[[Any, list, list], tuple]


def sequences(inputs: int, units: int) -> Run:
    """Return what runs an LSTM of this size over sequences.

    Returns:
        A function of inputs `(B, L, I)`, state `[h, c]` of `(B, H)` and weights: kernel
        `(I, 4H)`, recurrent kernel `(H, 4H)`, bias `(4H,)`. It returns the outputs `(B, L, H)` and
        the state after the last step.
    """
    if on_processor():
        return lstm_gradient.run
    return _keras(inputs, units)


def closing(inputs: Any, closes: Any, kernel: Any) -> tuple[Any, Any]:
    """Add an input that closes the gates: where it is 1, output and state become zero.

    Args:
        inputs: `(B, L, I)`.
        closes: `(B, L)`, 1 or 0.
        kernel: `(I, 4H)`.

    Returns:
        Inputs `(B, L, I + 1)` and kernel `(I + 1, 4H)`.
    """
    closed = ops.full((1, kernel.shape[1] // 4), CLOSED, kernel.dtype)
    row = ops.concatenate([closed, closed, ops.zeros_like(closed), closed], axis=1)
    column = ops.cast(closes, inputs.dtype)[..., None]
    return ops.concatenate([inputs, column], axis=2), ops.concatenate([kernel, row], axis=0)


def _keras(inputs: int, units: int) -> Run:
    """Run Keras' layer with the weights that it is given."""
    layer = keras.layers.LSTM(units, return_sequences=True, return_state=True)
    layer.build((None, None, inputs))
    constants = [variable.value for variable in layer.non_trainable_variables]

    def run(inputs: Any, state: list, weights: list) -> tuple:
        (outputs, *state), _ = layer.stateless_call(weights, constants, inputs, initial_state=state)
        return outputs, state

    return run
