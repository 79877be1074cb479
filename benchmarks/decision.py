"""How long one agent takes from a frame to its action, on one core."""

import numpy as np

from benchmarks.rows import Row, compare, seconds
from benchmarks.workplace import Workplace, limit_to_one_core
from reverie.controllers.controller import Controller
from reverie.rollouts.frames import FrameStream


def measure(place: Workplace) -> list[Row]:
    """Measure milliseconds of a decision: median and 99th percentile.

    The process must be a fresh one: it is limited to one core before it imports TensorFlow.
    """
    paths = place.rollouts()
    limit_to_one_core()
    frames = FrameStream(paths, [0], 1).sample(1000)
    calls = place.size(2000, 20)
    ours = _agent_times(place, frames, calls)
    reference = _predict_times(place, frames, max(calls // 10, 10))
    note = "`predict` of the VAE's encoder and of the MDN-RNN; goal 2 ms"
    return [
        compare(f"frame to action, {name}", *(judge(t) for t in (ours, reference)), "ms", note)
        for name, judge in (("median", np.median), ("99th percentile", _percentile))
    ]


def _percentile(times: np.ndarray) -> float:
    return float(np.percentile(times, 99))


def _times(function, frames: np.ndarray, calls: int) -> np.ndarray:
    """Return the milliseconds of calls on one frame after the other, after some that warm up."""
    warm = calls // 5
    batches = [frames[i % len(frames)][None] for i in range(warm + calls)]
    return 1000.0 * np.array([seconds(lambda b=b: function(b)) for b in batches])[warm:]


def _agent_times(place: Workplace, frames: np.ndarray, calls: int) -> np.ndarray:
    from reverie.controllers.agents import Agents, ControlledAgents
    from reverie.training.weights import load_network

    rnn = place.rnn()
    controller = Controller("zh", rnn.latent_size, rnn.units, rnn.action_size)
    agents = Agents(load_network(place.vae_weights(), "VAE"), rnn, 1)
    agents = ControlledAgents(agents, controller)
    parameters = np.random.default_rng(0).normal(0.0, 0.1, controller.size)
    agents.begin(0, parameters, 0)
    return _times(agents.act, frames, calls)


def _predict_times(place: Workplace, frames: np.ndarray, calls: int) -> np.ndarray:
    from reverie.training.weights import load_network

    vae, rnn = load_network(place.vae_weights(), "VAE"), place.rnn()
    action = np.zeros((1, 1, 1), np.float32)

    def predict(frame: np.ndarray) -> None:
        mu, logvar = vae.encoder.predict(frame / np.float32(255.0), verbose=0)
        window = [np.repeat(part[:, None], 2, axis=1) for part in (mu, logvar)]
        rnn.predict({"mu": window[0], "logvar": window[1], "actions": action}, verbose=0)

    return _times(predict, frames, calls)
