"""Keras's backend: started quietly, compiled for, and set to a precision."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from reverie.artifacts import InputError

BACKENDS = ("tensorflow", "jax")  # the first is the default


def start_backend() -> None:
    """Import Keras and its backend without the dozen lines of log that TensorFlow starts with.

    They are written by C++ before any setting of Python's takes effect, so standard error is closed
    to them for the moment of the import; an error in it is raised as ever. Of `keras.json` in the
    user's folder nothing counts: numbers are float32 and channels are the last axis.

    Raises:
        InputError: `KERAS_BACKEND` names a backend that is not supported or not installed.
    """
    _choose_backend()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
        keras.ops.zeros(1)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # it warns of functions compiled for several shapes, as dreams are: ever fewer live on
            tf.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _choose_backend() -> None:
    """Check the backend that the environment names, TensorFlow where it names none."""
    backend = os.environ.setdefault("KERAS_BACKEND", BACKENDS[0])
    if backend not in BACKENDS:
        raise InputError(
            f"KERAS_BACKEND={backend}: networks run on {' or '.join(BACKENDS)}; choose one of them"
        )
    if importlib.util.find_spec(backend) is None:
        raise InputError(
            f"KERAS_BACKEND={backend}: {backend} is not installed; install it with: pip install "
            f"{'.[jax]' if backend == 'jax' else '-r requirements.txt'}"
        )


def compiled(function: Callable, xla: bool = False) -> Callable:
    """Compile a pure function of tensors whose networks do not change any more.

    Args:
        function: takes and returns tensors, or nests of them.
        xla: let XLA fuse it under TensorFlow (every shape is then compiled by itself); JAX always
            does.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=xla, reduce_retracing=not xla)


def gradient(function: Callable) -> Callable:
    """Return the compiled gradient of a function of one float32 array to one number."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))
    import tensorflow as tf

    def differentiate(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = function(x)
        return tape.gradient(result, x)

    return tf.function(differentiate, reduce_retracing=True)


def trains_with_xla() -> bool:
    """Tell whether to compile training with XLA.

    JAX has nothing else (Keras would run it operation by operation); on a CPU, XLA halves the speed
    of TensorFlow.
    """
    import keras

    return keras.backend.backend() == "jax"


def processor_has_bfloat16() -> bool:
    """Tell whether the hardware computes bfloat16: a GPU, or a CPU with AVX-512 BF16 or AMX."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return True
    else:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return True
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def set_precision(precision: str) -> str:
    """Choose the arithmetic of the networks built from here on; return what `auto` meant.

    Args:
        precision: `float32`, `bfloat16` (weights stay float32), or `auto`: bfloat16 where the
            hardware computes it.
    """
    import keras

    if precision == "auto":
        precision = "bfloat16" if processor_has_bfloat16() else "float32"
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    return precision
