"""Stage 5: evolve a controller with CMA-ES, in the dream or in the game, and score it in the game.

Writes `<output_folder>/controller.h5` (the mean of the search), `scores.json`, `metrics.jsonl`,
`scores.png` and `film.mp4`. The same command again continues; `--new_model` starts afresh.

    # a minute's try
    python 05_train_controller.py doomrnn --train_in dream --population 8 --rollouts 4 \\
        --generations 3 --eval_episodes 4 --vae_weights tiny/final_full_vae_weights.h5 \\
        --rnn_weights tiny/rnn/run_1/final_rnn_weights.h5 --output_folder tiny/controller

    # the full search in the dream
    python 05_train_controller.py doomrnn --train_in dream --generations 200 \\
        --vae_weights trained_models_folder/final_full_vae_weights.h5 \\
        --rnn_weights trained_rnn_models/run_1/final_rnn_weights.h5 --output_folder controller/

    # in the game, on a cluster's node
    python 05_train_controller.py doomrnn --train_in game --workers 64 --generations 1800 \\
        --vae_weights $SCRATCH/vae.h5 --rnn_weights $SCRATCH/rnn.h5 --output_folder $SCRATCH/c
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from reverie.agents import check_same_vae
from reverie.artifacts import read_json_lines, write_config, write_json, write_json_lines
from reverie.controllers import FEATURES, Controller, save_controller
from reverie.evolution import Evolution
from reverie.games import game_class
from reverie.memory import load_first_frames, load_rnn, read_rnn_header
from reverie.plots import save_curves
from reverie.policies import episode_seeds
from reverie.scores import sentence, summary
from reverie.stage import conduct, progress, stop_signal
from reverie.vision import load_vae, read_vae_header
from reverie.workers import GameWorkers


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("game", help="the game, e.g. doomrnn")
    files = parser.add_argument_group("files")
    files.add_argument("--vae_weights", type=Path, required=True)
    files.add_argument("--rnn_weights", type=Path, required=True)
    files.add_argument("--output_folder", type=Path, default=Path("controller"))
    search = parser.add_argument_group("search")
    search.add_argument("--train_in", choices=("dream", "game"), default="dream")
    search.add_argument("--population", type=int, default=64)
    search.add_argument("--rollouts", type=int, default=16, help="episodes of a candidate")
    search.add_argument("--generations", type=int, default=200)
    search.add_argument("--sigma_init", type=float, default=0.1)
    search.add_argument("--features", choices=FEATURES, default="zh")
    search.add_argument("--seed", type=int, default=0)
    search.add_argument("--new_model", action="store_true", help="start afresh")
    dream = parser.add_argument_group("dream and game")
    dream.add_argument("--temperature", type=float, default=1.15)
    dream.add_argument("--threshold_ends", action="store_true", help="end dreams as the article")
    dream.add_argument("--time_steps", type=int, default=2100, help="longest episode")
    dream.add_argument("--difficulty", type=int, default=4, help="Doom's skill, 1 to 5")
    score = parser.add_argument_group("score")
    score.add_argument("--eval_every", type=int, default=25, help="generations")
    score.add_argument("--eval_episodes", type=int, default=100, help="of the real game")
    score.add_argument("--workers", type=int, default=4 * os.cpu_count(), help="games at a time")
    args = parser.parse_args(argv)
    for name in ("rollouts", "generations", "time_steps", "eval_every", "workers"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if args.population < 4 or args.eval_episodes < 2:
        parser.error("--population must be at least 4, --eval_episodes at least 2")
    if args.temperature <= 0 or args.sigma_init <= 0:
        parser.error("--temperature and --sigma_init must be positive")
    return args


class Search:
    """One run of the stage: the search, and how its candidates and its mean are judged."""

    def __init__(self, args: argparse.Namespace, workers: GameWorkers) -> None:
        from reverie.dreams import Dream, DreamOptions
        from reverie.scoring import GameScorer

        self.args, self.workers = args, workers
        self.vae, self.rnn = load_vae(args.vae_weights), load_rnn(args.rnn_weights)
        bias = game_class(args.game).controller_bias
        rnn = self.rnn
        self.controller = Controller(
            args.features, rnn.latent_size, rnn.units, rnn.action_size, bias
        )
        options = DreamOptions(args.temperature, args.time_steps, args.threshold_ends)
        self.dream = Dream(rnn, *load_first_frames(args.rnn_weights), options)
        self.scorer = GameScorer(workers, self.vae, rnn, self.controller)
        self.evolution = Evolution(
            args.output_folder / "evolution.h5",
            self.controller.size,
            args.population,
            args.sigma_init,
            args.seed,
        )
        self.history: list[dict] = []

    @property
    def log(self) -> Path:
        """Where the generations are logged."""
        return self.args.output_folder / "metrics.jsonl"

    def resume(self) -> None:
        """Continue where an earlier start was stopped."""
        if self.evolution.resume():
            self.history = read_json_lines(self.log)[: self.evolution.generation]

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

    def returns(self, parameters: np.ndarray, where: str, rollouts: int, number: int) -> np.ndarray:
        """Judge controllers in the dream or the game, all with the same luck: `(N, rollouts)`."""
        seeds = episode_seeds(self.args.seed, number * rollouts, rollouts, "evolve")
        if where == "game":
            return self.scorer.returns(parameters, seeds)
        return self.dream.play_controllers(self.controller, parameters, rollouts, seeds[0])[0]

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
        played = self.scorer.returns(mean, seeds)
        limit = args.time_steps
        return {"dream": summary(dreamt[0], limit), "game": summary(played[0], limit)}


def check_dream(search: Search) -> dict:
    """Print how long policies that do not look live in dream and game; warn if far apart."""
    from reverie.scoring import compare_survival

    args = search.args
    seeds = episode_seeds(args.seed, 0, args.eval_episodes, "evaluate")
    survival = compare_survival(search.scorer, search.dream, seeds, args.time_steps)
    print("mean length          dream    game    dream / game")
    for policy, result in survival.items():
        dreamt, played = result["dream"]["mean"], result["game"]["mean"]
        print(f"{policy:16s} {dreamt:9.0f} {played:7.0f} {result['ratio']:10.2f}")
    if not all(0.5 < result["ratio"] < 2.0 for result in survival.values()):
        print(
            "warning: this dream is far from the game; a controller evolved in it may be worthless."
            " Record more episodes (01), train longer (04) or change --temperature"
        )
    return survival


@conduct
def main(argv: list[str] | None = None) -> None:
    """Evolve until all generations are done, then score and film the mean of the search."""
    args = parse_args(argv)
    game_class(args.game)
    read_vae_header(args.vae_weights, args.game)
    check_same_vae(
        args.rnn_weights, read_rnn_header(args.rnn_weights, args.game)[1], args.vae_weights
    )
    result, state = args.output_folder / "scores.json", args.output_folder / "evolution.h5"
    if args.new_model:
        for path in (state, result):
            path.unlink(missing_ok=True)
    options = {"difficulty": args.difficulty, "time_steps": args.time_steps}
    with GameWorkers(args.game, options, args.workers) as workers:
        search = Search(args, workers)
        search.resume()
        if result.exists() and search.evolution.generation >= args.generations:
            print(f"nothing to do: {args.generations} generations are done, scores in {result}")
            return
        inputs = {"vae": args.vae_weights, "rnn": args.rnn_weights}
        write_config(args.output_folder, vars(args), inputs)
        print(f"controller of {search.controller.size} parameters")
        survival = check_dream(search)
        generations = range(search.evolution.generation, args.generations)
        for _ in progress(generations, desc="generations"):
            search.generation()
            row = search.history[-1]
            print(
                f"generation {row['generation']}: {args.train_in} mean {row['mean']:.0f}, best "
                f"{row['best']:.0f}, sigma {row['sigma']:.3f}, {row['seconds']:.1f} s"
            )
            stop_signal.check()
        finish(search, survival)


def finish(search: Search, survival: dict) -> None:
    """Write controller, scores beside policies that do not look, plot and film."""
    from reverie.films import film_agent

    args, folder = search.args, search.args.output_folder
    notes = {"game": args.game, "vae_weights": str(args.vae_weights.resolve())}
    notes |= {"rnn_weights": str(args.rnn_weights.resolve()), "train_in": args.train_in}
    save_controller(folder / "controller.h5", search.controller, search.evolution.mean, notes)
    seeds = episode_seeds(args.seed, 0, args.eval_episodes, "score")
    scores = search.score_both("score")
    for policy in ("held_random", "fresh_random", "motionless"):
        returns = search.scorer.open_loop_returns(policy, seeds)
        scores[policy] = summary(returns, args.time_steps)
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
    save_curves(folder / "scores.png", curves, "generation", "score of the mean ± standard error")
    film_agent(
        folder,
        search.workers,
        (search.vae, search.rnn),
        search.dream,
        search.controller,
        search.evolution.mean,
        seeds[0],
    )
    write_json(folder / "scores.json", {"scores": scores, "survival": survival})
    print(f"controller, scores and film in {folder}")


if __name__ == "__main__":
    sys.exit(main())
