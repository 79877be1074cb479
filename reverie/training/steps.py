"""One step of training or validation: the only place where a batch is handed to the device."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from reverie.backend import trains_with_xla
from reverie.models.shares import share, whole
from reverie.training.devices import CARRIED, Devices
from reverie.training.streams import Batch

VALIDATION_SEED = 20180327  # the day of arXiv 1803.10122


class Step:
    """A network, its optimiser, and what goes on from one batch to the next.

    Args:
        network: built, not compiled.
        learning_rate: the highest.
        clipnorm: largest norm of all gradients together; None for no limit.
        carried_rows: rows of a batch whose recurrent state is carried on; 0 for none.
        devices: what to train on; the network was built in their scope.
    """

    def __init__(
        self,
        network: keras.Model,
        learning_rate: float,
        clipnorm: float | None = None,
        carried_rows: int = 0,
        devices: Devices | None = None,
    ) -> None:
        self.network, self.devices = network, devices or Devices()
        with self.devices.scope():
            self.model = Carrying(network, carried_rows) if carried_rows else network
            optimizer = self.devices.optimizer(learning_rate, clipnorm)
            if network.dtype_policy.compute_dtype == "float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(self.model.trainable_variables)
            self.model.compile(optimizer=optimizer, jit_compile=trains_with_xla())

    @property
    def variables(self) -> list[keras.Variable]:
        """All that decides the next step: weights, state, sources of noise, optimiser."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def train(self, batch: Batch, learning_rate: float) -> dict[str, Any]:
        """Train on a batch; return its metrics."""
        self.model.optimizer.learning_rate = learning_rate
        self.model.reset_metrics()
        return self.devices.train(self.model, batch)

    def validate(self, batch: Batch) -> dict[str, Any]:
        """Return the metrics of a held-out batch."""
        self.model.reset_metrics()
        return self.devices.validate(self.model, batch)

    @contextlib.contextmanager
    def validation(self) -> Iterator[None]:
        """Let noise begin at the same place at every validation, so that epochs can be compared.

        Afterwards noise and carried state are what they were.
        """
        noise, state = self._noise(), self._state()
        before = [np.array(variable.value) for variable in (*noise, *state)]
        for variable in noise:
            variable.assign(np.array([VALIDATION_SEED, 0], variable.dtype))
        try:
            yield
        finally:
            for variable, value in zip((*noise, *state), before):
                variable.assign(value)

    def is_finite(self) -> bool:
        """Tell whether no weight and no number of the optimiser is NaN or infinite."""
        return all(np.isfinite(np.asarray(variable.value)).all() for variable in self.variables)

    def _noise(self) -> list[keras.Variable]:
        """Return the states of the random generators: variables that are no weights."""
        weights = {id(weight) for weight in self.model.weights}
        return [variable for variable in self.model.variables if id(variable) not in weights]

    def _state(self) -> list[keras.Variable]:
        return self.model.state if isinstance(self.model, Carrying) else []


class Carrying(keras.Model):
    """A recurrent network whose state goes on from batch to batch while it is trained.

    This is truncated backpropagation through time. The state belongs to the training: it is in the
    checkpoint and not among the weights of the network.

    Args:
        network: has `initial_state(rows)`, `unroll(inputs, state)`, which returns predictions and
            the new state, and a `compute_loss`.
        rows: of every batch. Where `inputs["begins"]` `(rows, L)` is 1, a row begins from zero.
    """

    def __init__(self, network: keras.Model, rows: int) -> None:
        super().__init__()
        self.network = network
        self.trackers = network.trackers  # Keras leaves out the metrics of models inside a model
        self.state = [
            self.add_weight(
                part.shape,
                "zeros",
                trainable=False,
                aggregation="only_first_replica",  # every device computes the same
                name=f"{CARRIED}{index}",
            )
            for index, part in enumerate(network.initial_state(rows))
        ]
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Predict, and move the state on to the end of the batch."""
        kept = 1.0 - ops.cast(inputs["begins"], "float32")[:, :1]
        outputs, state = self.network.unroll(
            inputs, [kept * share(part.value) for part in self.state]
        )
        for variable, part in zip(self.state, state):
            variable.assign(whole(ops.stop_gradient(part)))
        return outputs

    def compute_loss(self, *args: Any, **options: Any) -> Any:
        """Return the network's loss."""
        return self.network.compute_loss(*args, **options)
