"""One run of stage 5: a search, how its mean is evaluated, and what it leaves behind."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import InputError, file_hash, read_json_lines, write_json, write_json_lines
from reverie.controllers.agents import Agents
from reverie.controllers.cma_es import CMAES
from reverie.controllers.controller import Controller, load_controller, save_controller
from reverie.controllers.evaluation import GameEvaluator, compare_survival
from reverie.controllers.evaluators import ControllerEvaluator
from reverie.controllers.footage import film_agent
from reverie.controllers.kept_returns import KeptReturns
from reverie.controllers.options import EvaluationOptions, SearchFiles, SearchOptions
from reverie.dreams.dream import Dream
from reverie.dreams.options import DreamOptions
from reverie.games import game_class
from reverie.games.actions import ActionCode
from reverie.headers import ControllerHeader
from reverie.latents.storage import load_first_frames
from reverie.reports.plots import save_curves
from reverie.reports.scores import sentence, summary
from reverie.rollouts.policies import REFERENCES, episode_seeds
from reverie.rollouts.shares import EngineOptions, Shares
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CONTROLLER, METRICS, SCORES
from reverie.training.weights import load_network


class Search:
    """A search for a controller: candidates are evaluated, and now and then the search's mean.

    Args:
        game: its name.
        files: the networks, and the run's folder.
        workers: the real game.
        game_options: what they play it with.
        search: how controllers are searched for.
        dream: how they dream.
        evaluation: how the mean is evaluated.
        engine: who plays the game: this machine's workers, or Ray's nodes.
    """

    def __init__(
        self,
        game: str,
        files: SearchFiles,
        workers: GameWorkers,
        game_options: dict,
        *,
        search: SearchOptions,
        dream: DreamOptions,
        evaluation: EvaluationOptions,
        engine: EngineOptions | None = None,
    ) -> None:
        self.game, self.files, self.game_options = (
            game_class(game, game_options),
            files,
            game_options,
        )
        self.name, self.options, self.evaluation = game, search, evaluation
        self.vae = load_network(files.vae_weights, "VAE")
        rnn = load_network(files.rnn_weights, "MDNRNN")
        self.controller = Controller(
            search.features,
            rnn.latent_size,
            rnn.units,
            rnn.action_size,
            self.game.controller_bias,
            ActionCode.from_space(self.game.action_space),
        )
        self.dream = Dream(rnn, *load_first_frames(files.rnn_weights), dream)
        self.shares = self._open_shares(engine or EngineOptions(), len(workers))
        self.play_in(workers, self.shares)
        self.cma_es = CMAES(
            files.folder / "evolution.h5",
            self.controller.size,
            search.population,
            search.sigma_init,
            search.seed,
            self._fitness(),
            self._start(),
        )
        self.history: list[dict] = []

    def play_in(self, workers: GameWorkers, shares: Shares | None = None) -> None:
        """Play the real game in these workers from now on, and controllers on these shares."""
        agents = Agents(self.vae, self.dream.rnn, len(workers))
        self.evaluator = GameEvaluator(workers, agents, self.controller, shares)

    def __enter__(self) -> "Search":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.shares is not None:
            self.shares.close()

    def _open_shares(self, engine: EngineOptions, workers: int) -> Shares | None:
        if engine.engine == "local":
            return None
        networks = self.files.vae_weights.resolve(), self.files.rnn_weights.resolve()
        arguments = self.name, self.game_options, networks, self.controller
        return Shares(engine.ray_address, ControllerEvaluator, arguments, workers)

    def _fitness(self) -> dict:
        """Return what decides the fitness of a controller, beside its own parameters."""
        search, dream = self.options, self.dream.options
        fitness = {
            "train_in": search.train_in,
            "rollouts": search.rollouts,
            "features": search.features,
            "temperature": dream.temperature,
            "sigma_temperature": dream.sigma_temperature,
            "threshold_ends": dream.threshold_ends,
        }
        hashes = {name: file_hash(path) for name, path in self.files.inputs.items()}
        return fitness | self.game_options | hashes

    def _start(self) -> np.ndarray | None:
        """Return the parameters of the earlier controller that the search begins around.

        Raises:
            InputError: it has another shape.
        """
        path = self.files.initial_controller
        if path is None:
            return None
        controller, parameters, _ = load_controller(path)
        if controller != self.controller:
            raise InputError(
                f"{path}: a controller of another shape ({controller.features}, "
                f"{controller.latent_size} latents, {controller.units} units); choose --features "
                "and networks as in its training, or leave --initial_controller away"
            )
        return parameters

    def resume(self) -> None:
        """Continue where an earlier start was stopped."""
        if self.cma_es.resume():
            log = self.files.folder / METRICS
            rows = read_json_lines(log, "add --new_model to start afresh")
            self.history = rows[: self.cma_es.generation]

    def generation(self) -> dict:
        """Ask for candidates, evaluate them, tell the search, save; return the row of the log.

        Every `eval_every` generations and after the last, the mean is evaluated as well.
        """
        number, start = self.cma_es.generation, time.perf_counter()
        candidates = self.cma_es.ask()
        fitness = self.returns(candidates, number).mean(axis=1)
        self.cma_es.tell(fitness)
        row = {
            "generation": number + 1,
            "mean": float(fitness.mean()),
            "best": float(fitness.max()),
            "sigma": self.cma_es.sigma,
            "seconds": time.perf_counter() - start,
        }
        if (number + 1) % self.evaluation.eval_every == 0 or number + 1 == self.options.generations:
            row |= self._evaluate()
        self.history.append(row)
        write_json_lines(self.files.folder / METRICS, self.history)
        self.cma_es.save()
        self.forget("evolve", "evaluate")
        return row

    def returns(self, parameters: np.ndarray, number: int) -> np.ndarray:
        """Return returns `(N, rollouts)` of a generation's candidates, on seeds they all share."""
        rollouts = self.options.rollouts
        seeds = episode_seeds(self.options.seed, number * rollouts, rollouts, "evolve")
        if self.options.train_in == "game":
            return self._play("evolve", parameters, seeds)
        return self.dream.controlled(self.controller, parameters, rollouts, seeds[0])[0]

    def _play(self, purpose: str, parameters: np.ndarray, seeds: list[int]) -> np.ndarray:
        """Play the game; what an earlier start that was stopped has found is not played again."""
        settings = self.cma_es.settings | {"played_with": self.evaluator.workers.options}
        kept = KeptReturns(self._unfinished(purpose), settings, parameters, seeds)
        return self.evaluator.returns(parameters, seeds, kept)

    def forget(self, *purposes: str) -> None:
        """Remove what was kept for these purposes: it is part of a larger result now."""
        for purpose in purposes:
            self._unfinished(purpose).unlink(missing_ok=True)

    def _unfinished(self, purpose: str) -> Path:
        return self.files.folder / f"unfinished_{purpose}.json"

    def _evaluate(self) -> dict:
        scores = self.evaluate_mean("evaluate")
        for where, result in scores.items():
            print(f"  {where}: {sentence(result)}")
        return {f"{where}_score": result for where, result in scores.items()}

    def seeds(self, purpose: str) -> list[int]:
        """Return the seeds of an evaluation, which no candidate is evaluated on."""
        return episode_seeds(self.options.seed, 0, self.evaluation.eval_episodes, purpose)

    def evaluate_mean(self, purpose: str) -> dict[str, dict]:
        """Evaluate the mean of the search in the dream and in the game."""
        mean, seeds = self.cma_es.mean[None], self.seeds(purpose)
        dreamt, _ = self.dream.controlled(self.controller, mean, len(seeds), seeds[0])
        played = self._play(purpose, mean, seeds)
        return {"dream": self._summary(dreamt[0]), "game": self._summary(played[0])}

    def evaluate_policy(self, policy: str, seeds: list[int]) -> dict:
        """Evaluate a policy by name in the game."""
        return self._summary(self.evaluator.open_loop(policy, seeds)[0])

    def _summary(self, returns: np.ndarray) -> dict:
        """Summarise returns, with the highest there can be if the game has one."""
        longest = self.dream.options.time_steps
        return summary(returns, longest if self.game.scored_in_steps else None)


def check_dream(search: Search) -> dict:
    """Print how long policies that do not look live in dream and game; warn if far apart."""
    survival = compare_survival(search.evaluator, search.dream, search.seeds("evaluate"))
    print("                   mean length: dream    game   ratio   mean return: dream    game")
    for policy, result in survival.items():
        dreamt, played = result["dream"]["mean"], result["game"]["mean"]
        print(
            f"{policy:18s} {dreamt:18.0f} {played:7.0f} {result['ratio']:7.2f} "
            f"{result['dream_return']:20.1f} {result['game_return']:7.1f}"
        )
    if not all(0.5 < result["ratio"] < 2.0 for result in survival.values()):
        print(
            "warning: this dream is far from the game; a controller evolved in it may be worthless."
            " Record more episodes (01), train longer (04) or change --temperature"
        )
    return survival


def finish(search: Search, survival: dict) -> None:
    """Write controller, scores beside random and motionless play, plot and film.

    A game that is drawn faster in training is evaluated and filmed as its makers draw it, but for
    the policies that do not look.
    """
    _save(search)
    seeds, workers = search.seeds("score"), search.evaluator.workers
    blind = {policy: search.evaluate_policy(policy, seeds) for policy in REFERENCES}
    original = search.game_options | search.game.scored_with
    if original == search.game_options:
        _score(search, seeds, blind, survival)
        return
    with GameWorkers(search.name, original, len(workers)) as others:
        search.play_in(others)
        _score(search, seeds, blind, survival)


def _save(search: Search) -> None:
    files, dream = search.files, search.dream.options
    header = ControllerHeader(
        search.name,
        search.game.preprocessing,
        train_in=search.options.train_in,
        options=search.game_options,
        temperature=dream.temperature,
        sigma_temperature=dream.sigma_temperature,
    )
    path, networks = files.folder / CONTROLLER, (files.vae_weights, files.rnn_weights)
    save_controller(path, search.controller, search.cma_es.mean, header, networks)


def _score(search: Search, seeds: list[int], blind: dict, survival: dict) -> None:
    """Write scores, those of the policies that do not look among them, plot and film."""
    folder = search.files.folder
    scores = search.evaluate_mean("score") | blind
    print(f"scores over {len(seeds)} episodes on held-out seeds:")
    for name, score in scores.items():
        print(f"  {name:13s} {sentence(score)}")
    if rows := [row for row in search.history if "game_score" in row]:
        curves = {where: _curve(rows, f"{where}_score", len(seeds)) for where in ("dream", "game")}
        label = "score of the mean ± standard error"
        save_curves(folder / "scores.png", curves, "generation", label)
    evaluator = search.evaluator
    film_agent(
        folder / "film.mp4",
        evaluator.workers,
        evaluator.agents,
        search.dream,
        search.cma_es.mean,
        seed=seeds[0],
        fps=search.game.fps,
    )
    write_json(folder / SCORES, {"scores": scores, "survival": survival})
    search.forget("score")
    print(f"controller, scores and film in {folder}")


def _curve(rows: list[dict], score: str, episodes: int) -> tuple[list, list, list]:
    """Return generations, scores and their standard errors."""
    generations = [row["generation"] for row in rows]
    errors = [row[score]["std"] / episodes**0.5 for row in rows]
    return generations, [row[score]["mean"] for row in rows], errors
