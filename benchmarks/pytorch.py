"""The MDN-RNN's training on one core beside plain PyTorch and beside matrix products alone.

All figures are per second of the processor. The steps that were played count; PyTorch trains the
same network with the same loss, clipping and optimiser on the same windows.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.rows import Row, alternate, compare, processor_seconds
from benchmarks.workplace import Workplace, limit_to_one_core, stage
from reverie import flags
from reverie.backend import start_backend
from reverie.latents.storage import Latents
from reverie.training.streams import Batch

if TYPE_CHECKING:
    from reverie.models.mdn_rnn import MDNRNN

SIZES = ("--mixture", "per_dim", "--sequence_length", "100", "--skip_ahead", "100")
SIDE = 1024  # of the matrices whose product is the limit


def measure(place: Workplace) -> list[Row]:
    """Measure training as in `make run`.

    The process must be a fresh one: it is limited to one core before it imports TensorFlow.
    """
    place.rollouts()
    limit_to_one_core()
    start_backend()
    from reverie.dreams.rnn_task import RNNOptions, rnn_task
    from reverie.training.steps import Step

    numbers = [*SIZES, "--units", str(place.size(256, 32)), "--batch_size", "16"]
    options = flags.filled(RNNOptions, stage("04_train_rnn").parse_args(numbers))
    task = rnn_task(Latents(place.latents()), options, place.folder / "beside_pytorch")
    batches = list(task.train.batches(0))[: place.size(20, 2)]
    steps = sum(map(task.train.weight, batches))
    network = task.build()
    ours = Step(network, 0.005, task.clipnorm, task.carried_rows)
    theirs = TorchRNN(network, 0.005, task.clipnorm)
    square = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    products = place.size(50, 2)

    rates = alternate(
        place.size(5, 1),
        lambda _: steps / processor_seconds(lambda: [ours.train(b, 0.005) for b in batches]),
        lambda _: steps / processor_seconds(lambda: [theirs.step(b) for b in batches]),
        lambda _: 2 * SIDE**3 * products / _seconds_of_products(square, products),
    )
    work = rates[0] * _operations(network) / 1e9
    what = "MDN-RNN training, as in make run"
    note = "the same network, loss and windows in plain PyTorch; goal 1"
    limit = f"float32 matrix products of {SIDE} rows alone, NumPy; goal 0.45"
    return [
        compare(what, *rates[:2], "steps/cpu-s", note),
        compare(f"{what}, arithmetic", work, rates[2] / 1e9, "GFLOP/cpu-s", limit),
    ]


def _seconds_of_products(square: np.ndarray, count: int) -> float:
    return processor_seconds(lambda: [square @ square for _ in range(count)])


def _operations(rnn) -> int:
    """Return the operations of training on one step: the products forward, and twice back."""
    outputs = rnn.head.units + rnn.gaussian_head.units
    inputs = rnn.latent_size + rnn.action_size
    return 6 * (4 * rnn.units * (inputs + rnn.units) + rnn.units * outputs)


class TorchRNN(torch.nn.Module):
    """An MDN-RNN of the same sizes, with a mixture per dimension and all heads.

    Args:
        rnn: whose sizes it has.
        learning_rate: of Adam.
        clipnorm: largest norm of all gradients together.
    """

    def __init__(self, rnn: "MDNRNN", learning_rate: float, clipnorm: float) -> None:
        super().__init__()
        torch.set_num_threads(1)
        self.size, self.components, self.clipnorm = rnn.latent_size, rnn.num_mixtures, clipnorm
        self.levels = rnn.action_levels
        self.lstm = torch.nn.LSTM(rnn.latent_size + rnn.action_size, rnn.units, batch_first=True)
        self.head = torch.nn.Linear(rnn.units, 3 * rnn.num_mixtures * rnn.latent_size + 2)
        self.gaussian = torch.nn.Linear(rnn.units, 2 * rnn.latent_size)
        self.optimizer = torch.optim.Adam(self.parameters(), learning_rate, fused=True)
        self.state: tuple | None = None

    def step(self, batch: Batch) -> float:
        """Train on a batch as the stage makes them, its state going on; return the loss."""
        x, y = ({k: torch.from_numpy(v) for k, v in part.items()} for part in batch)
        latents = x["mu"] + torch.exp(0.5 * x["logvar"]) * torch.randn_like(x["mu"])
        hidden, state = self.lstm(
            torch.cat([latents[:, :-1], self._levelled(x["actions"])], -1), self.state
        )
        self.state = tuple(part.detach() for part in state)
        loss = self._loss(hidden, latents[:, 1:], y)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.clipnorm)
        self.optimizer.step()
        return float(loss.detach())

    def _levelled(self, actions: torch.Tensor) -> torch.Tensor:
        if not self.levels:
            return actions
        level = torch.floor((actions + 1.0) / 2.0 * self.levels).clamp(0, self.levels - 1)
        return level / (self.levels - 1) * 2.0 - 1.0

    def _loss(self, hidden: torch.Tensor, latents: torch.Tensor, y: dict) -> torch.Tensor:
        raw, mask = self.head(hidden), y["mask"]
        scored = mask * (1.0 - y["termination"])
        nats = -self._mixture(raw, latents) - self._single(self.gaussian(hidden.detach()), latents)
        ended = torch.nn.functional.binary_cross_entropy_with_logits(
            raw[..., -1], y["termination"], reduction="none"
        )
        others = (raw[..., -2] - y["reward"]) ** 2 + ended
        return (nats * scored).sum() / scored.sum() / self.size + (others * mask).sum() / mask.sum()

    def _mixture(self, raw: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        count = self.size * self.components
        parts = raw[..., : 3 * count].split(count, dim=-1)
        means, spreads, logits = (v.unflatten(-1, (self.size, self.components)) for v in parts)
        each = torch.log_softmax(logits, -1) + _normal(latents[..., None], means, spreads)
        return torch.logsumexp(each, -1).sum(-1)

    def _single(self, raw: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        return _normal(latents, *raw.split(self.size, dim=-1)).sum(-1)


def _normal(values: torch.Tensor, means: torch.Tensor, spreads: torch.Tensor) -> torch.Tensor:
    from reverie.models.mixture import SIGMA_MAX, SIGMA_MIN

    sigmas = spreads.exp().clamp(max=SIGMA_MAX) + SIGMA_MIN
    return -0.5 * ((values - means) / sigmas) ** 2 - sigmas.log() - 0.5 * math.log(2.0 * np.pi)
