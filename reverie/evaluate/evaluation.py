"""All questions to one world model, one after the other, and what is written of the answers."""

from typing import Any

import numpy as np

from reverie.artifacts import file_hash, read_json, write_json
from reverie.controllers.agents import Agents
from reverie.controllers.controller import Controller
from reverie.controllers.evaluation import GameEvaluator
from reverie.controllers.survival import compare_survival
from reverie.dreams import free_running
from reverie.dreams.dream import Dream
from reverie.dreams.options import DreamOptions
from reverie.dreams.recorded import recorded_states
from reverie.evaluate.held_out import HeldOut
from reverie.evaluate.open_loop import dream_on, frame_errors, truth_errors
from reverie.evaluate.options import EvaluationFiles, EvaluationSize
from reverie.evaluate.page import write_evaluation
from reverie.evaluate.prediction import one_step, picks
from reverie.evaluate.probes import probe_scores
from reverie.evaluate.ranking import players, ranking, surveyed
from reverie.evaluate.verdict import verdict
from reverie.games import game_class
from reverie.headers import WeightsHeader, open_header
from reverie.latents.storage import load_first_frames
from reverie.models.mdn_rnn import MDNRNN
from reverie.models.vae import VAE
from reverie.reports.page import MEND
from reverie.reports.plots import evenly
from reverie.rollouts.policies import SURVEYED, episode_seeds
from reverie.rollouts.workers import GameWorkers
from reverie.runs import SCORES
from reverie.training.weights import load_network


def identity(files: EvaluationFiles, size: EvaluationSize) -> dict[str, Any]:
    """Return what decides the numbers of an evaluation."""
    networks = {"vae": files.vae_weights, "rnn": files.rnn_weights, "latents": files.latents}
    networks |= {str(folder): folder / SCORES for folder in files.controllers}
    return vars(size) | {name: file_hash(path) for name, path in networks.items()}


def evaluate(
    files: EvaluationFiles, size: EvaluationSize, held_out: HeldOut, workers: int
) -> dict[str, Any]:
    """Ask everything, write the numbers and the page, and return the numbers.

    Args:
        files: what is evaluated.
        size: how much is looked at.
        held_out: the episodes.
        workers: games at a time, where any are played.
    """
    vae, rnn = load_network(files.vae_weights, "VAE"), load_network(files.rnn_weights, "MDNRNN")
    options = DreamOptions(temperature=size.temperature)
    dream = Dream(rnn, *load_first_frames(files.rnn_weights), options)
    found = [read_json(folder / SCORES, MEND, "scores") for folder in files.controllers]
    survival = next((f["survival"] for f in found if f.get("survival")), {})
    rows = players(files.controllers)
    if not survival and size.game_episodes:
        survival = _survey(files, size, vae, dream, workers)
        rows += surveyed(survival)
    result = {
        "game": held_out.latents.header.game,
        "network": str(files.rnn_weights),
        "identity": identity(files, size),
        "episodes": len(held_out.test),
        "unseen": held_out.unseen,
        **_held_out(vae, rnn, dream, held_out, size),
        "probes": probe_scores(rnn, held_out),
        "ranking": ranking(rows),
        "habits": [
            {"name": name, "ratio": row["ratio"], "in_data": row.get("in_data")}
            for name, row in survival.items()
        ],
    }
    result["free_running"] |= next((f["free_running"] for f in found if "free_running" in f), {})
    result["verdict"] = verdict(result)
    write_evaluation(files, result)
    write_json(files.result, result)  # last: says that all is written
    return result


def _held_out(
    vae: VAE, rnn: MDNRNN, dream: Dream, held_out: HeldOut, size: EvaluationSize
) -> dict[str, Any]:
    """Ask what held-out episodes alone can answer."""
    state, recorded = recorded_states(
        rnn, held_out.latents, held_out.test, np.random.default_rng(size.seed)
    )
    free = free_running.compare(dream, state, recorded, size.seed)
    choice = picks(rnn, held_out, state, recorded, size.seed)
    chosen = evenly(np.arange(len(recorded.episodes)), size.states)
    state, recorded = {name: v[chosen] for name, v in state.items()}, recorded.rows(chosen)
    draws = {"temperature": size.temperature, "seed": size.seed}
    dreams = dream_on(rnn, held_out, state, recorded, **draws)
    return {
        "one_step": one_step(rnn, held_out, size.seed),
        "picks": choice,
        "frames": frame_errors(vae, dreams),
        "truth": truth_errors(dreams),
        "free_running": {"held_out": free},
    }


def _survey(
    files: EvaluationFiles, size: EvaluationSize, vae: VAE, dream: Dream, workers: int
) -> dict[str, dict]:
    """Compare policies that do not look in dream and game, as stage 5 does."""
    header = open_header(files.rnn_weights, WeightsHeader, network="MDNRNN")
    options = header.recorded.options if header.recorded else {}
    game = game_class(header.game, options)
    steps = options.get("time_steps", game.time_steps)
    dream = Dream(
        dream.rnn,
        dream.first_mu,
        dream.first_logvar,
        DreamOptions(temperature=size.temperature, time_steps=steps),
    )
    known = header.notes.get("habits", {})
    shares = {name: known.get(name) for name in (*SURVEYED, *game.habits)}
    seeds = episode_seeds(size.seed, 0, size.game_episodes, "evaluate")
    rnn = dream.rnn
    shape = Controller("z", rnn.latent_size, rnn.units, rnn.action_size)
    with GameWorkers(header.game, {"time_steps": steps} | options, workers) as playing:
        evaluator = GameEvaluator(playing, Agents(vae, rnn, len(playing)), shape)
        return compare_survival(evaluator, dream, seeds, shares)
