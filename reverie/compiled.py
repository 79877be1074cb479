"""One way to compile a function of tensors, whatever the backend."""

from collections.abc import Callable

import keras


def compiled(function: Callable, xla: bool = False) -> Callable:
    """Compile a pure function of tensors whose networks do not change any more.

    Args:
        function: takes and returns tensors, or nests of them.
        xla: let XLA fuse it under TensorFlow (every shape is then compiled by itself); JAX always
            does.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=xla, reduce_retracing=not xla)


def processor_has_bfloat16() -> bool:
    """Tell whether bfloat16 is computed by the hardware: a GPU, or a CPU with AVX-512 BF16 or AMX."""
    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return True
    else:
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            return True
    try:
        flags = open("/proc/cpuinfo").read()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def set_precision(precision: str) -> str:
    """Choose the arithmetic of the networks built from here on; return what `auto` meant.

    Args:
        precision: `float32`, `bfloat16` (weights stay float32), or `auto`: bfloat16 where the
            hardware computes it.
    """
    if precision == "auto":
        precision = "bfloat16" if processor_has_bfloat16() else "float32"
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    return precision
