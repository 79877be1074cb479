"""The devices that a network is trained on: every batch is split over them.

Several devices come to the result of one, except for the order in which numbers are added. A batch
whose rows cannot be split evenly is computed as a whole by every device.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from reverie.artifacts import InputError
from reverie.models.shares import split_into
from reverie.training.streams import Batch

CARRIED = "carried_"  # begins the names of variables whose rows are rows of the batch


class Devices:
    """One device, the one that Keras takes by itself."""

    count = 1

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Let networks and optimisers that are made inside the block lie on all devices."""
        yield

    def optimizer(self, learning_rate: float, clipnorm: float | None) -> keras.Optimizer:
        """Return an optimiser that limits the norm of the whole batch's gradients."""
        return keras.optimizers.Adam(learning_rate, global_clipnorm=clipnorm)

    def train(self, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Train on a batch; return its metrics."""
        return model.train_on_batch(*batch, return_dict=True)

    def validate(self, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Return the metrics of a held-out batch."""
        return model.test_on_batch(*batch, return_dict=True)


def visible_devices() -> list[Any]:
    """Return what can be trained on: all GPUs, or else what stands for the processor."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()
    import tensorflow as tf

    return tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")


def open_devices(count: int | None) -> Devices:
    """Return the devices to train on.

    Args:
        count: how many; None for all that are visible.

    Raises:
        InputError: there are fewer.
    """
    visible = visible_devices()
    count = count or len(visible)
    if count > len(visible):
        raise InputError(
            f"--devices {count}: only {len(visible)} can be seen here; choose --devices "
            f"{len(visible)}, or leave it away for all"
        )
    if count == 1:
        return Devices()
    kind = JAXDevices if keras.backend.backend() == "jax" else TensorFlowDevices
    return kind(visible[:count])


def divisible(batch: Any, count: int) -> bool:
    """Tell whether the rows of all arrays of a batch can be split evenly."""
    return all(len(rows) % count == 0 for rows in keras.tree.flatten(batch))


class JAXDevices(Devices):
    """Several devices of one process under JAX, by Keras' data parallelism.

    Args:
        devices: as JAX lists them.
    """

    def __init__(self, devices: list[Any]) -> None:
        self.count = len(devices)
        self.distribution = RowsParallel(
            devices=[f"{device.platform}:{device.id}" for device in devices]
        )

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Let networks and optimisers that are made inside the block lie on all devices."""
        with self.distribution.scope():
            yield

    def train(self, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Train on a batch; return its metrics."""
        with self.scope():
            return super().train(model, _arrays(batch))

    def validate(self, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Return the metrics of a held-out batch."""
        with self.scope():
            return super().validate(model, _arrays(batch))


class RowsParallel(keras.distribution.DataParallel):
    """Splits batches and carried state by their rows, where the rows can be split evenly."""

    def get_data_layout(self, data_shape: tuple) -> keras.distribution.TensorLayout:
        """Return how the rows of a batch are spread."""
        even = data_shape[0] % self.num_model_replicas == 0
        first = self.batch_dim_name if even else None
        return keras.distribution.TensorLayout(
            [first] + [None] * (len(data_shape) - 1), self.device_mesh
        )

    def get_variable_layout(self, variable: keras.Variable) -> keras.distribution.TensorLayout:
        """Return how a variable is spread: every device has all of it, or some rows."""
        if variable.name.startswith(CARRIED):
            return self.get_data_layout(variable.shape)
        return super().get_variable_layout(variable)


class TensorFlowDevices(Devices):
    """Several devices of one machine under TensorFlow, by a mirrored strategy.

    Args:
        devices: as TensorFlow lists them.
    """

    def __init__(self, devices: list[Any]) -> None:
        import tensorflow as tf

        self.count, self.tf = len(devices), tf
        self.strategy = tf.distribute.MirroredStrategy(
            [device.name for device in devices], tf.distribute.ReductionToOneDevice()
        )
        self.functions: dict = {}

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Let networks and optimisers that are made inside the block lie on all devices."""
        with self.strategy.scope():
            yield

    def optimizer(self, learning_rate: float, clipnorm: float | None) -> keras.Optimizer:
        """Return an optimiser that limits the norm of the whole batch's gradients.

        Keras limits what each device brings before it adds them up; each brings an equal part.
        """
        return super().optimizer(learning_rate, clipnorm and clipnorm / self.count)

    def train(self, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Train on a batch; return its metrics."""
        return self._run(self._train, model, batch)

    def validate(self, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Return the metrics of a held-out batch."""
        return self._run(self._validate, model, batch)

    def _run(self, step: Any, model: keras.Model, batch: Batch) -> dict[str, Any]:
        """Take a step on every device; return the metrics, which are the same on all."""
        batch = _arrays(batch)
        shares = self.count if divisible(batch, self.count) else 1
        name = step.__name__, shares
        if name not in self.functions:
            self.functions[name] = self.tf.function(
                lambda data: self.strategy.run(step, args=(model, *data))
            )
        with split_into(shares):
            logs = self.functions[name](self._spread(batch, shares))
        first = self.strategy.experimental_local_results
        return {name: float(first(value)[0]) for name, value in logs.items()}

    def _spread(self, batch: Batch, shares: int) -> Any:
        """Put every device's rows of a batch on it."""

        def rows(context: Any) -> Any:
            index = context.replica_id_in_sync_group if shares > 1 else 0
            return keras.tree.map_structure(lambda a: np.array_split(a, shares)[index], batch)

        return self.strategy.experimental_distribute_values_from_function(rows)

    def _train(self, model: keras.Model, x: Any, y: Any = None) -> dict[str, Any]:
        """Bring an equal part of the whole batch's gradient, see `optimizer`."""
        with self.tf.GradientTape() as tape:
            loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True), training=True)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_weights)
        context = self.tf.distribute.get_replica_context()
        mean = context.all_reduce(self.tf.distribute.ReduceOp.MEAN, gradients)
        model.optimizer.apply([part / self.count for part in mean], model.trainable_weights)
        return model.get_metrics_result() | {"loss": loss}

    def _validate(self, model: keras.Model, x: Any, y: Any = None) -> dict[str, Any]:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=False), training=False)
        return model.get_metrics_result() | {"loss": loss}


def _arrays(batch: Any) -> Any:
    """Return a batch as arrays of NumPy, tuples and dictionaries kept."""
    return keras.tree.map_structure(np.asarray, tuple(batch))
