"""What stage 5 leaves behind: controller, scores beside play that does not look, curves, film."""

import numpy as np

from reverie.artifacts import write_json
from reverie.controllers.controller import save_controller
from reverie.controllers.footage import film_agent
from reverie.controllers.search import Search
from reverie.controllers.survival import best_blind, compare_survival, describe
from reverie.dreams import free_running
from reverie.dreams.free_running import Actor
from reverie.dreams.recorded import Played, played_states
from reverie.headers import ControllerHeader
from reverie.reports.plots import save_curves
from reverie.reports.scores import difference, sentence
from reverie.rollouts.policies import REFERENCES
from reverie.rollouts.workers import GameWorkers
from reverie.runs import CONTROLLER, SCORES

FOLLOWED = 100  # episodes, at most, that dreams go on from


def check_dream(search: Search) -> dict:
    """Print how long policies that do not look live in dream and game; warn if far apart."""
    survival = compare_survival(
        search.evaluator, search.dream, search.seeds("evaluate"), search.habits()
    )
    print(describe(survival))
    return survival


def finish(search: Search, survival: dict) -> None:
    """Write controller, scores beside play that does not look, plot and film.

    A game that is drawn faster in training is evaluated and filmed as its makers draw it, but for
    the policies that do not look. The best of those in the survey of the dream is scored as well;
    that survey has seeds of its own, so that nobody is chosen by the episodes that judge.
    """
    _save(search)
    seeds, workers = search.seeds("score"), search.evaluator.workers
    best = best_blind(survival)
    policies = dict.fromkeys((*REFERENCES, *([best] if best else [])))
    blind = {policy: search.evaluator.open_loop(policy, seeds)[0] for policy in policies}
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


def _score(search: Search, seeds: list[int], blind: dict[str, np.ndarray], survival: dict) -> None:
    """Write scores, those of the policies that do not look among them, plot and film."""
    folder, played = search.files.folder, dict.fromkeys(seeds[:FOLLOWED])
    returns = search.mean_returns("score", played) | blind
    scores = {name: search.summary(values) for name, values in returns.items()}
    advantages = {name: difference(returns["game"], values) for name, values in blind.items()}
    _print(scores, advantages, best_blind(survival))
    free = compare_free_running(search, played)
    search.note_final_scores(scores)
    _paint(search, seeds)
    result = {
        "scores": scores,
        "best_blind": best_blind(survival),
        "advantages": advantages,
        "survival": survival,
        "free_running": free,
    }
    write_json(folder / SCORES, result)
    search.forget("score")
    print(f"controller, scores and film in {folder}")


def _print(scores: dict[str, dict], advantages: dict[str, dict], best: str | None) -> None:
    print(f"scores over {scores['game']['episodes']} episodes on held-out seeds:")
    for name, score in scores.items():
        print(f"  {name:13s} {sentence(score)}{', the best blind habit' * (name == best)}")
    for name, advantage in advantages.items():
        low, high = advantage["interval"]
        print(
            f"  the game's minus {name}'s, episode by episode: {advantage['mean']:.1f} "
            f"(95 % interval {low:.1f} to {high:.1f})"
        )


def compare_free_running(search: Search, played: dict[int, Played | None]) -> dict[str, dict]:
    """Compare dreams with the controller's own episodes, which no network was trained on.

    Dreams go on from every hundredth step, along the controller's recorded actions, and with the
    controller acting in the dream, both at the temperatures of the search.

    Args:
        search: of the controller.
        played: its episodes by their seeds; those that are None are played.

    Returns:
        By who acts, `recorded_actions` and `controller`, what `free_running.compare` gives.
    """
    mean = search.cma_es.mean
    state, recorded = played_states(search.dream.rnn, search.evaluator.episodes(mean, played))
    actors = {"recorded_actions": None, "controller": Actor(search.controller, mean)}
    found = {
        name: free_running.compare(search.dream, state, recorded, actor=actor)
        for name, actor in actors.items()
    }
    titles = "along the controller's recorded actions", "with the controller acting"
    for title, result in zip(titles, found.values()):
        print(f"free-running dreams {title}:\n{free_running.describe(result)}")
    return found


def _paint(search: Search, seeds: list[int]) -> None:
    folder, evaluator = search.files.folder, search.evaluator
    if rows := [row for row in search.history if "game_score" in row]:
        curves = {where: _curve(rows, f"{where}_score", len(seeds)) for where in ("dream", "game")}
        label = "score of the mean ± standard error"
        save_curves(folder / "scores.png", curves, "generation", label)
    film_agent(
        folder / "film.mp4",
        evaluator.workers,
        evaluator.agents,
        search.dream,
        search.cma_es.mean,
        seed=seeds[0],
        fps=search.game.fps,
    )


def _curve(rows: list[dict], score: str, episodes: int) -> tuple[list, list, list]:
    """Return generations, scores and their standard errors."""
    generations = [row["generation"] for row in rows]
    errors = [row[score]["std"] / episodes**0.5 for row in rows]
    return generations, [row[score]["mean"] for row in rows], errors
