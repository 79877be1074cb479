"""Train small networks on one virtual device and on several; run by `test_devices.py`.

python tests/on_devices.py compare
python tests/on_devices.py fit FOLDER DEVICES [stop]
"""

import contextlib
import json
import sys
from pathlib import Path

import keras
import numpy as np

from reverie.headers import WeightsHeader
from reverie.models.critic import Critic, LocalCritic
from reverie.models.critic_vae import CriticVAE
from reverie.models.guided_mask_net import GuidedMaskNet
from reverie.models.mdn_rnn import MDNRNN
from reverie.models.vae import VAE
from reverie.stage import Stopped, stop_signal
from reverie.training.devices import open_devices
from reverie.training.fit import fit
from reverie.training.steps import Step
from reverie.training.task import Task, TrainingOptions

VIRTUAL = 4  # devices; under JAX they come with XLA_FLAGS
SIDE = 16  # pixels
NET = {"rows": SIDE, "columns": SIDE, "width": 4}
LOCAL = {"rows": SIDE, "columns": SIDE, "width": 4}
NETWORKS = {
    "vae": lambda: VAE(latent_size=3, frame_shape=(SIDE, SIDE, 3), detail_weight=1.0, seed=1),
    "rnn": lambda: MDNRNN(2, 1, 4, 2, seed=1),
    "critic": lambda: Critic(**NET, seed=1),
    "local": lambda: LocalCritic(**LOCAL),
    "critic_vae": lambda: CriticVAE(LOCAL, channels=2, seed=1),
    "masks": lambda: GuidedMaskNet(LOCAL, NET, live=True, seed=1),
}


def frames(rows, seed):
    """Return noise, every frame of another brightness, so that values are not almost equal."""
    rng = np.random.default_rng(seed)
    brightness = rng.permutation(np.linspace(0.1, 1.0, rows))[:, None, None, None]
    noise = rng.integers(0, 255, (rows, SIDE, SIDE, 3)) * brightness
    return noise.astype(np.uint8), rng.random(rows)


def windows(rows, seed):
    """Return windows that go on where those of the seed before ended; rows are masked unevenly."""
    rng = np.random.default_rng(seed)
    mu = rng.standard_normal((rows, 6, 2)).astype(np.float32)
    x = {"mu": mu, "logvar": mu - 1.0, "actions": mu[:, 1:, :1]}
    x["begins"] = np.zeros((rows, 5), np.float32)
    x["begins"][np.arange(rows), np.arange(rows) * (1 + seed) % 5] = 1.0
    zeros = np.zeros((rows, 5), np.float32)
    played = (np.arange(5) < 1 + np.arange(rows)[:, None] % 5).astype(np.float32)
    return x, {"reward": zeros + mu[:, 1:, 0], "termination": zeros, "mask": played}


def batch(name, rows, seed):
    if name == "rnn":
        return windows(rows, seed)
    return frames(rows, seed)[:1] if "vae" in name else frames(rows, seed)


def trained(name, count, rows):
    """Return metrics and variables after three steps and a validation."""
    devices = open_devices(count)
    with devices.scope():
        keras.utils.set_random_seed(7)
        network = NETWORKS[name]()
    step = Step(network, 1e-2, 1.0, rows if name == "rnn" else 0, devices)
    logs = [step.train(batch(name, rows, seed), 1e-2) for seed in range(3)]
    with step.validation():
        logs.append(step.validate(batch(name, rows, 3)))
    logs = [{key: float(value) for key, value in row.items()} for row in logs]
    return logs, [np.array(variable.value) for variable in step.variables]


def compare():
    for name in sys.argv[2:] or NETWORKS:
        for rows in (16, 10) if name == "rnn" else (16,):  # 4 devices can, and cannot, split them
            one, several = trained(name, 1, rows), trained(name, VIRTUAL, rows)
            for ours, theirs in zip(several[0], one[0], strict=True):
                assert ours.keys() == theirs.keys(), (name, ours, theirs)
                for key, value in ours.items():
                    np.testing.assert_allclose(value, theirs[key], 1e-3, err_msg=f"{name} {key}")
            for ours, theirs in zip(several[1], one[1], strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-4, err_msg=name)
            print(name, rows, max(np.abs(a - b).max(initial=0) for a, b in zip(several[1], one[1])))


class Windows:
    """Three batches an epoch."""

    steps_per_epoch, rows = 3, 8

    def __init__(self, stops=False):
        self.stops = stops

    def batches(self, epoch):
        for index in range(3):
            stop_signal.requested = self.stops and (epoch, index) == (1, 0)
            yield windows(self.rows, 3 * epoch + index)

    def weight(self, batch):
        return float(batch[1]["mask"].sum())


def run(folder, devices, stop=""):
    def build():
        keras.utils.set_random_seed(7)
        return NETWORKS["rnn"]()

    options = TrainingOptions(epochs=2, learning_rate=1e-2, devices=int(devices))
    header = WeightsHeader("doomrnn")
    same = {"train": Windows(stop == "stop"), "held_out": Windows(), "carried_rows": Windows.rows}
    task = Task(name="rnn", weights="rnn.h5", build=build, identity={}, header=header, **same)
    print(json.dumps(fit(task, folder, options)))


def split_processor():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        virtual = [tf.config.LogicalDeviceConfiguration() for _ in range(VIRTUAL)]
        tf.config.set_logical_device_configuration(processor, virtual)


split_processor()
if sys.argv[1] == "compare":
    compare()
else:
    with contextlib.suppress(Stopped):
        run(Path(sys.argv[2]), *sys.argv[3:])
