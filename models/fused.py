"""Parts of a network that XLA compiles where that is faster: under TensorFlow on a processor.

There XLA makes one pass over memory of a chain of small operations. Under JAX everything is
compiled anyway; on a GPU TensorFlow's own kernels, cuDNN's among them, are left as they are.
"""

from collections.abc import Callable

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def on_processor() -> bool:
    """Tell whether networks run under TensorFlow on a processor."""
    return keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU")


def fused(function: Callable) -> Callable:
    """Compile a pure function of tensors, and its gradient, by itself; for every shape anew."""
    return tf.function(function, jit_compile=True) if on_processor() else function
