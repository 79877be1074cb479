"""The networks of a dream as ONNX files, each compared with Keras before anybody gets it.

Letters: Z latents, H units, K components, A numbers in an action's code.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx

from reverie.artifacts import InputError
from reverie.play.dreamer import Dreamer

OPSET = 17
LARGEST = 1e-4  # difference from Keras, of numbers above 1 in proportion to them
TRIALS = 8  # random inputs that are compared
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Exported:
    """A network as ONNX.

    Attributes:
        model: the file's bytes.
        difference: largest one from Keras that was found.
    """

    model: bytes
    difference: float


def export(dreamer: Dreamer) -> dict[str, Exported]:
    """Write the step of a dream, its decoder and, if there is one, its controller.

    Raises:
        InputError: a network cannot be written, or the file does not compute what Keras does.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    rnn = dreamer.rnn
    latents, units = (1, rnn.latent_size), (1, rnn.units)
    state = {"z": latents, "h": units, "c": units}
    noise = {"choice": (1, *rnn.mixture.choices), "spread": latents}
    step = state | {"code": (1, dreamer.code.size)} | noise | {"heat": (2,)}
    functions = {
        "step": (_step(dreamer), step),
        "decode": (lambda z: dreamer.show(z), {"z": latents}),
    }
    if dreamer.controller:
        functions["act"] = (_act(dreamer), state)
    return {name: _export(name, *pair) for name, pair in functions.items()}


def _step(dreamer: Dreamer) -> Callable:
    def step(z: Any, h: Any, c: Any, code: Any, choice: Any, spread: Any, heat: Any) -> dict:
        noise = {"choice": choice, "spread": spread}
        state, seen = dreamer.foresee({"z": z, "h": h, "c": c}, code, noise, heat)
        return {f"next_{name}": values for name, values in state.items()} | seen

    return step


def _act(dreamer: Dreamer) -> Callable:
    controller, parameters = dreamer.controller

    def act(z: Any, h: Any, c: Any) -> dict:
        return {"code": controller.outputs(tf.constant(parameters[None]), z, h, c)}

    return act


def _export(name: str, function: Callable, shapes: Shapes) -> Exported:
    signature = [tf.TensorSpec(shape, tf.float32, name=key) for key, shape in shapes.items()]
    traced = tf.function(function, input_signature=signature)
    try:
        model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
        written = model.SerializeToString()
        session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, and a file that does not load is one of them
        raise InputError(f"--static: {name} cannot be written as ONNX ({error})") from error
    difference = compare(session, traced, shapes)
    if difference > LARGEST:
        raise InputError(
            f"--static: {name} as ONNX differs from Keras by {difference:.2g}, more than {LARGEST}"
        )
    return Exported(written, difference)


def compare(session: Any, function: Callable, shapes: Shapes) -> float:
    """Return the largest difference between an ONNX file and what it was made of.

    Args:
        session: of onnxruntime.
        function: takes tensors and returns them by name.
        shapes: of its arguments, by name and in their order.
    """
    rng, largest = np.random.default_rng(0), 0.0
    taken = {put.name for put in session.get_inputs()}
    names = [put.name for put in session.get_outputs()]
    for _ in range(TRIALS):
        given = {n: rng.standard_normal(shape, np.float32) for n, shape in shapes.items()}
        if "heat" in given:
            given["heat"] = np.abs(given["heat"])
        expected = function(*given.values())
        found = session.run(names, {name: v for name, v in given.items() if name in taken})
        for name, values in zip(names, found):
            wanted = np.asarray(expected[name], np.float64)
            error = np.abs(values - wanted) / np.maximum(np.abs(wanted), 1.0)
            largest = max(largest, float(error.max(initial=0.0)))
    return largest
