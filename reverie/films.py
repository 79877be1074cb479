"""A film of an agent: the real game, what its VAE saw, and the dream it was evolved in."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from reverie.agents import Agents
from reverie.backend import compiled
from reverie.controllers import Controller
from reverie.plots import as_bytes, save_picture, save_video, tile
from reverie.workers import GameWorkers

if TYPE_CHECKING:
    from models.mdn_rnn import MDNRNN
    from models.vae import VAE
    from reverie.dreams import Dream

STEPS = 700  # 20 seconds at Doom's 35 tics
SCALE = 4
SHOWN = 10  # frames in a strip


def film_game(
    workers: GameWorkers, agents: Agents, parameters: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Play with one agent; return frames `(T, 64, 64, 3)` and what its VAE saw of them."""
    count = len(workers.connections)
    agents.begin(0, parameters, seed)
    workers.send(0, "reset", seed)
    frame, done = workers.receive(0), False
    frames, seen = [], []
    while not done and len(frames) < STEPS:
        actions = agents.act(np.repeat(frame[None], count, axis=0))
        frames.append(frame)
        seen.append(np.asarray(agents.latents)[0])
        workers.send(0, "step", actions[0])
        frame, _, done = workers.receive(0)
    return np.stack(frames), decode(agents.vae, np.stack(seen))


def film_dream(
    dream: "Dream", vae: "VAE", controller: Controller, parameters: np.ndarray, seed: int
) -> np.ndarray:
    """Let a controller dream once; return the frames `(T, 64, 64, 3)`."""
    rng = np.random.default_rng(seed)
    zeros = np.zeros((1, dream.rnn.units), np.float32)
    state = {"z": dream.first_latents(1, rng), "h": zeros, "c": zeros}
    act = compiled(controller.act)
    step = compiled(dream.step)
    latents, ended = [], False
    while not ended and len(latents) < STEPS:
        latents.append(np.asarray(state["z"])[0])
        actions = act(parameters[None].astype(np.float32), state["z"], state["h"], state["c"])
        state, _, ends = step(state, actions, dream.noise((1,), seed, len(latents)))
        ended = bool(np.asarray(ends)[0])
    return decode(vae, np.stack(latents))


def decode(vae: "VAE", latents: np.ndarray) -> np.ndarray:
    """Decode latents `(T, Z)` into `(T, 64, 64, 3)` uint8."""
    batches = [latents[start : start + 256] for start in range(0, len(latents), 256)]
    return np.concatenate([as_bytes(np.asarray(vae.decode(batch))) for batch in batches])


def save_film(path: Path, films: dict[str, np.ndarray], scale: int = SCALE) -> None:
    """Write films side by side, captioned; a shorter one stays black when it is over."""
    length = max(map(len, films.values()))
    columns = []
    for caption, frames in films.items():
        enlarged = frames.repeat(scale, axis=1).repeat(scale, axis=2)
        missing = length - len(enlarged)
        enlarged = np.pad(enlarged, ((0, missing), (24, 0), (0, 0), (0, 0)))
        for frame in enlarged:
            cv2.putText(frame, caption, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1)
        columns.append(enlarged)
    save_video(path, np.concatenate(columns, axis=2))


def save_strip(path: Path, films: dict[str, np.ndarray]) -> None:
    """Write frames of every film, evenly spaced over the shortest, as rows of one picture."""
    length = min(map(len, films.values()))
    index = np.linspace(0, length - 1, min(SHOWN, length)).astype(int)
    save_picture(path, tile([frames[index] for frames in films.values()]))


def film_agent(
    folder: Path,
    workers: GameWorkers,
    networks: tuple["VAE", "MDNRNN"],
    dream: "Dream",
    controller: Controller,
    parameters: np.ndarray,
    seed: int,
) -> None:
    """Write `film.mp4` and `film.png`: the game, what the VAE saw, and a dream."""
    agents = Agents(*networks, controller, len(workers.connections))
    played, seen = film_game(workers, agents, parameters, seed)
    dreamt = film_dream(dream, networks[0], controller, parameters, seed)
    films = {"game": played, "seen by the VAE": seen, "dream": dreamt}
    save_film(folder / "film.mp4", films)
    save_strip(folder / "film.png", films)
