"""One run of stage 5: a search, and how its mean is evaluated."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from reverie.artifacts import InputError, file_hash, read_json_lines, write_json_lines
from reverie.controllers.agents import Agents
from reverie.controllers.cma_es import CMAES
from reverie.controllers.controller import Controller, load_controller
from reverie.controllers.evaluation import GameEvaluator
from reverie.controllers.evaluators import ControllerEvaluator
from reverie.controllers.kept_returns import KeptReturns
from reverie.controllers.options import EvaluationOptions, SearchFiles, SearchOptions
from reverie.dreams.dream import Dream
from reverie.dreams.ensemble import EnsembleDream
from reverie.dreams.options import DreamOptions
from reverie.dreams.recorded import Played
from reverie.games import game_class
from reverie.games.actions import ActionCode
from reverie.headers import WeightsHeader, open_header
from reverie.latents.storage import load_first_frames
from reverie.models.mdn_rnn import MDNRNN
from reverie.reports.scores import sentence, summary
from reverie.rollouts.policies import SURVEYED, episode_seeds
from reverie.rollouts.shares import EngineOptions, Shares
from reverie.rollouts.workers import GameWorkers
from reverie.runs import METRICS
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
        self.dream = _open_dream(rnn, files, dream)
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

        Every `eval_every` generations the mean is evaluated as well, but not after the last, where
        it is scored.
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
        last = number + 1 == self.options.generations
        if (number + 1) % self.evaluation.eval_every == 0 and not last:
            row |= self._evaluate()
        self.history.append(row)
        write_json_lines(self.files.folder / METRICS, self.history)
        self.cma_es.save()
        self.forget("evolve", "evaluate")
        return row

    def note_final_scores(self, scores: dict[str, dict]) -> None:
        """Put the scores of the mean after the last generation into the row of the log."""
        if self.history:
            self.history[-1] |= {f"{where}_score": scores[where] for where in ("dream", "game")}
            write_json_lines(self.files.folder / METRICS, self.history)

    def returns(self, parameters: np.ndarray, number: int) -> np.ndarray:
        """Return returns `(N, rollouts)` of a generation's candidates, on seeds they all share."""
        rollouts = self.options.rollouts
        seeds = episode_seeds(self.options.seed, number * rollouts, rollouts, "evolve")
        if self.options.train_in == "game":
            return self._play("evolve", parameters, seeds)
        return self.dream.controlled(self.controller, parameters, rollouts, seeds[0])[0]

    def _play(
        self,
        purpose: str,
        parameters: np.ndarray,
        seeds: list[int],
        played: dict[int, Played | None] | None = None,
    ) -> np.ndarray:
        """Play the game; what an earlier start that was stopped has found is not played again."""
        settings = self.cma_es.settings | {"played_with": self.evaluator.workers.options}
        kept = KeptReturns(self._unfinished(purpose), settings, parameters, seeds)
        return self.evaluator.returns(parameters, seeds, kept, played)

    def forget(self, *purposes: str) -> None:
        """Remove what was kept for these purposes: it is part of a larger result now."""
        for purpose in purposes:
            self._unfinished(purpose).unlink(missing_ok=True)

    def _unfinished(self, purpose: str) -> Path:
        return self.files.folder / f"unfinished_{purpose}.json"

    def _evaluate(self) -> dict:
        returns = self.mean_returns("evaluate")
        scores = {where: self.summary(values) for where, values in returns.items()}
        for where, result in scores.items():
            print(f"  {where}: {sentence(result)}")
        return {f"{where}_score": result for where, result in scores.items()}

    def seeds(self, purpose: str) -> list[int]:
        """Return the seeds of an evaluation, which no candidate is evaluated on."""
        return episode_seeds(self.options.seed, 0, self.evaluation.eval_episodes, purpose)

    def habits(self) -> dict[str, float | None]:
        """Return policies that do not look, and the share of the data that was played like each.

        None where the weights of the MDN-RNN, of an earlier version, do not say it.
        """
        notes = open_header(self.files.rnn_weights, WeightsHeader, network="MDNRNN").notes
        known = notes.get("habits", {})
        return {policy: known.get(policy) for policy in (*SURVEYED, *self.game.habits)}

    def mean_returns(
        self, purpose: str, played: dict[int, Played | None] | None = None
    ) -> dict[str, np.ndarray]:
        """Return what the mean of the search gets in the dream and in the game, episode by episode.

        Args:
            purpose: of the seeds, see `seeds`.
            played: episodes of the game that are kept, see `GameEvaluator.returns`.
        """
        mean, seeds = self.cma_es.mean[None], self.seeds(purpose)
        dreamt, _ = self.dream.controlled(self.controller, mean, len(seeds), seeds[0])
        return {"dream": dreamt[0], "game": self._play(purpose, mean, seeds, played)[0]}

    def summary(self, returns: np.ndarray) -> dict:
        """Summarise returns, with the highest there can be if the game has one."""
        longest = self.dream.options.time_steps
        return summary(returns, longest if self.game.scored_in_steps else None)


def _open_dream(rnn: MDNRNN, files: SearchFiles, options: DreamOptions) -> Dream:
    """Return the dream of the networks that the files name; `rnn` is the first of them."""
    first_frames = load_first_frames(files.rnn_weights)
    others = [load_network(path, "MDNRNN") for path in files.other_rnn_weights]
    if others:
        return EnsembleDream(rnn, others, *first_frames, options)
    return Dream(rnn, *first_frames, options)
