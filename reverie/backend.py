"""Keras's backend: started quietly, compiled for, set to a precision, and not used after a fork."""

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reverie.artifacts import InputError

BACKENDS = ("tensorflow", "jax")  # the first is the default
FORKED = (
    "this process is a fork of one in which Keras's backend was running, and would wait for it for "
    'ever; start environments with the "spawn" method: gymnasium.make_vec(..., '
    'vector_kwargs={"context": "spawn"}), or SubprocVecEnv(..., start_method="spawn")'
)

_forked_while_running = False
_started = False


class ForkError(RuntimeError):
    """A process was forked from one in which the backend runs; its threads are not in the copy."""


def watch_forks() -> None:
    """Remember in every process that is forked from now on whether the backend was running."""
    os.register_at_fork(after_in_child=_note_fork)


def _note_fork() -> None:
    global _forked_while_running
    _forked_while_running = _forked_while_running or backend_runs()


def backend_runs() -> bool:
    """Tell whether Keras's backend has been started in this process, by us or by anyone.

    An import alone starts no threads, and such a process can be forked.
    """
    context = sys.modules.get("tensorflow.python.eager.context")
    return _started or (context is not None and context.context_safe() is not None)


def refuse_after_fork() -> None:
    """Check that the backend can be used in this process.

    Raises:
        ForkError: it was running when this process was forked.
    """
    if _forked_while_running:
        raise ForkError(FORKED)


def start_backend() -> None:
    """Import Keras and its backend without the dozen lines of log that TensorFlow starts with.

    They are written by C++ before any setting of Python's takes effect, so standard error is closed
    to them for the moment of the import; an error in it is raised as ever. Of `keras.json` in the
    user's folder nothing counts: numbers are float32 and channels are the last axis.

    Raises:
        InputError: `KERAS_BACKEND` names a backend that is not supported or not installed, or Keras
            does not start with the user's `keras.json`.
        ForkError: the backend was running when this process was forked.
    """
    global _started
    refuse_after_fork()
    _choose_backend()
    _started = True
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        _import_keras()
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


def _import_keras() -> None:
    """Import Keras, which reads a file of the user's while it is imported."""
    settings = Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json").expanduser()
    try:
        importlib.import_module("keras")
    except (AttributeError, TypeError, ValueError) as error:
        if not settings.exists():
            raise
        raise InputError(
            f"{settings}: Keras does not start with these settings ({error}); mend or remove them"
        ) from error


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

    Returns:
        The compiled function; in a process that was forked while the backend was running it raises
        `ForkError` instead of waiting for ever.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        run = jax.jit(function)
    else:
        import tensorflow as tf

        run = tf.function(function, jit_compile=xla, reduce_retracing=not xla)

    @functools.wraps(function)
    def guarded(*arguments: Any) -> Any:
        refuse_after_fork()
        return run(*arguments)

    return guarded


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


def predict(network: Any, inputs: Any) -> Any:
    """Return what a network says of a batch, as arrays.

    TensorFlow lets a network that lies on several devices answer once for each, all answers one
    after the other; the first counts.
    """
    import keras

    rows = len(keras.tree.flatten(inputs)[0])
    return keras.tree.map_structure(lambda a: a[:rows], network.predict_on_batch(inputs))


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
        precision: `float32`; `bfloat16` or `float16`, in which layers compute while weights and
            losses stay float32 (losses are scaled up for the gradients of `float16`); or `auto`:
            bfloat16 where the hardware computes it.
    """
    import keras

    if precision == "auto":
        precision = "bfloat16" if processor_has_bfloat16() else "float32"
    half = precision in ("bfloat16", "float16")
    keras.config.set_dtype_policy(f"mixed_{precision}" if half else "float32")
    return precision
