"""One run of stage 5: a search, how it is judged, and what it leaves behind."""

import argparse
import time
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, file_hash, read_json_lines, write_json, write_json_lines
from reverie.controllers.cma_es import Evolution
from reverie.controllers.controller import Controller, load_controller, save_controller
from reverie.controllers.evaluation import GameScorer, compare_survival
from reverie.controllers.film import film_agent
from reverie.controllers.kept_returns import KeptReturns
from reverie.dreams.dream import Dream, DreamOptions
from reverie.games import game_class
from reverie.games.actions import ActionCode
from reverie.headers import ControllerHeader
from reverie.latents.storage import load_first_frames
from reverie.reports.plots import save_curves
from reverie.reports.scores import sentence, summary
from reverie.rollouts.policies import REFERENCES, episode_seeds
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CONTROLLER, METRICS, SCORES
from reverie.training.weights import load_network


class Search:
    """A controller being evolved: candidates asked for, judged, told, and the mean scored.

    Args:
        args: the flags of stage 5.
        workers: the real game.
        options: what they play it with.
    """

    def __init__(self, args: argparse.Namespace, workers: GameWorkers, options: dict) -> None:
        self.args, self.options = args, options
        self.vae = load_network(args.vae_weights, "VAE")
        self.rnn = load_network(args.rnn_weights, "MDNRNN")
        game, rnn = game_class(args.game, options), self.rnn
        self.controller = Controller(
            args.features,
            rnn.latent_size,
            rnn.units,
            rnn.action_size,
            game.controller_bias,
            ActionCode.from_space(game.action_space),
        )
        dreaming = DreamOptions(
            args.temperature, args.time_steps, args.threshold_ends, args.sigma_temperature
        )
        self.dream = Dream(rnn, *load_first_frames(args.rnn_weights), dreaming)
        self.play_in(workers)
        self.evolution = Evolution(
            args.output_folder / "evolution.h5",
            self.controller.size,
            args.population,
            args.sigma_init,
            args.seed,
            self._judge(),
            self._start(),
        )
        self.history: list[dict] = []

    def play_in(self, workers: GameWorkers) -> None:
        """Play the real game in these workers from now on."""
        self.workers = workers
        self.scorer = GameScorer(workers, self.vae, self.rnn, self.controller)

    def _judge(self) -> dict:
        """Return what decides the fitness of a controller."""
        args = self.args
        names = ("train_in", "rollouts", "features", "temperature", "sigma_temperature")
        judge = {name: getattr(args, name) for name in (*names, "threshold_ends")} | self.options
        files = {"vae": args.vae_weights, "rnn": args.rnn_weights}
        if args.initial_controller:
            files["initial_controller"] = args.initial_controller
        return judge | {name: file_hash(path) for name, path in files.items()}

    def _start(self) -> np.ndarray | None:
        """Return the parameters of the earlier controller that the search begins around.

        Raises:
            InputError: it has another shape.
        """
        path = self.args.initial_controller
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

    @property
    def log(self) -> Path:
        """Where the generations are logged."""
        return self.args.output_folder / METRICS

    def resume(self) -> None:
        """Continue where an earlier start was stopped."""
        if self.evolution.resume():
            rows = read_json_lines(self.log, "add --new_model to start afresh")
            self.history = rows[: self.evolution.generation]

    def generation(self) -> None:
        """Ask, judge, tell; every `eval_every` generations score the mean; save."""
        args, evolution = self.args, self.evolution
        number, start = evolution.generation, time.perf_counter()
        candidates = evolution.ask()
        fitness = self.returns(candidates, args.train_in, args.rollouts, number).mean(axis=1)
        evolution.tell(fitness)
        row = {
            "generation": number + 1,
            "mean": float(fitness.mean()),
            "best": float(fitness.max()),
            "sigma": evolution.sigma,
            "seconds": time.perf_counter() - start,
        }
        if (number + 1) % args.eval_every == 0 or number + 1 == args.generations:
            row |= self.evaluate()
        self.history.append(row)
        write_json_lines(self.log, self.history)
        evolution.save()
        self.forget("evolve", "evaluate")

    def returns(self, parameters: np.ndarray, where: str, rollouts: int, number: int) -> np.ndarray:
        """Judge controllers in the dream or the game, all with the same luck: `(N, rollouts)`."""
        seeds = episode_seeds(self.args.seed, number * rollouts, rollouts, "evolve")
        if where == "game":
            return self.scorer.returns(parameters, seeds, self.kept("evolve", parameters, seeds))
        return self.dream.play_controllers(self.controller, parameters, rollouts, seeds[0])[0]

    def kept(self, purpose: str, parameters: np.ndarray, seeds: list[int]) -> KeptReturns:
        """Return what an earlier start that was stopped has found of some returns in the game."""
        settings = self.evolution.settings | {"played_with": self.workers.options}
        return KeptReturns(self._unfinished(purpose), settings, parameters, seeds)

    def forget(self, *purposes: str) -> None:
        """Remove what was kept for these purposes: it is part of a larger result now."""
        for purpose in purposes:
            self._unfinished(purpose).unlink(missing_ok=True)

    def _unfinished(self, purpose: str) -> Path:
        return self.args.output_folder / f"unfinished_{purpose}.json"

    def evaluate(self) -> dict:
        """Score the mean of the search in dream and game, on seeds no generation evolved on."""
        scores = self.score_both("evaluate")
        for where, result in scores.items():
            print(f"  {where}: {sentence(result)}")
        return {f"{where}_score": result for where, result in scores.items()}

    def score_both(self, purpose: str) -> dict[str, dict]:
        """Score the mean of the search in the dream and in the game."""
        args, mean = self.args, self.evolution.mean[None]
        seeds = episode_seeds(args.seed, 0, args.eval_episodes, purpose)
        dreamt, _ = self.dream.play_controllers(self.controller, mean, len(seeds), seeds[0])
        played = self.scorer.returns(mean, seeds, self.kept(purpose, mean, seeds))
        return {"dream": self.summary(dreamt[0]), "game": self.summary(played[0])}

    def score(self, policy: str, seeds: list[int]) -> dict:
        """Score a policy by name in the game."""
        return self.summary(self.scorer.open_loop(policy, seeds)[0])

    def summary(self, returns: np.ndarray) -> dict:
        """Summarise returns, with the highest there can be if the game has one."""
        steps = game_class(self.args.game, self.options).scored_in_steps
        return summary(returns, self.args.time_steps if steps else None)


def check_dream(search: Search) -> dict:
    """Print how long policies that do not look live in dream and game; warn if far apart."""
    args = search.args
    seeds = episode_seeds(args.seed, 0, args.eval_episodes, "evaluate")
    survival = compare_survival(search.scorer, search.dream, seeds, args.time_steps)
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

    A game that is drawn faster in training is scored and filmed as its makers draw it, but for the
    policies that do not look.
    """
    args = search.args
    seeds = episode_seeds(args.seed, 0, args.eval_episodes, "score")
    header = ControllerHeader(
        args.game,
        game_class(args.game, search.options).preprocessing,
        train_in=args.train_in,
        options=search.options,
        temperature=args.temperature,
        sigma_temperature=args.sigma_temperature,
    )
    path, networks = args.output_folder / CONTROLLER, (args.vae_weights, args.rnn_weights)
    save_controller(path, search.controller, search.evolution.mean, header, networks)
    blind = {policy: search.score(policy, seeds) for policy in REFERENCES}
    original = search.options | game_class(args.game, search.options).scored_with
    if original == search.options:
        _score(search, seeds, blind, survival)
        return
    with GameWorkers(args.game, original, args.workers) as workers:
        search.play_in(workers)
        _score(search, seeds, blind, survival)


def _score(search: Search, seeds: list[int], blind: dict, survival: dict) -> None:
    """Write scores, those of the policies that do not look among them, plot and film."""
    args, folder = search.args, search.args.output_folder
    scores = search.score_both("score") | blind
    print(f"scores over {len(seeds)} episodes on seeds that nothing was evolved on:")
    for name, score in scores.items():
        print(f"  {name:13s} {sentence(score)}")
    rows = [row for row in search.history if "game_score" in row]
    curves = {
        where: (
            [row["generation"] for row in rows],
            [row[f"{where}_score"]["mean"] for row in rows],
            [row[f"{where}_score"]["std"] / len(seeds) ** 0.5 for row in rows],
        )
        for where in ("dream", "game")
    }
    if rows:
        label = "score of the mean ± standard error"
        save_curves(folder / "scores.png", curves, "generation", label)
    film_agent(
        folder / "film.mp4",
        search.workers,
        (search.vae, search.rnn),
        search.dream,
        search.controller,
        search.evolution.mean,
        seeds[0],
        game_class(args.game, search.options).fps,
    )
    write_json(folder / SCORES, {"scores": scores, "survival": survival})
    search.forget("score")
    print(f"controller, scores and film in {folder}")
