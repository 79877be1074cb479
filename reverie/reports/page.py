"""The page that `make run` ends with: every picture and number of a run folder in one place."""

from pathlib import Path

from reverie.artifacts import read_json, read_json_lines
from reverie.reports.html import picture, table, video, write_page
from reverie.reports.plots import save_curves
from reverie.reports.scores import sentence
from reverie.runs import CONFIG, METRICS, SCORES, RunFolder

MEND = "run the stage again with --new_model"

STAGE_NAMES = {
    "01_generate_data.py": "record",
    "02_train_vae.py": "train the VAE",
    "03_generate_rnn_data.py": "encode",
    "04_train_rnn.py": "train the MDN-RNN",
    "05_train_controller.py": "evolve the controller, score and film it",
}
POLICIES = {
    "held_random": "random play (held actions)",
    "fresh_random": "random play (a new action every step)",
    "wandering": "wandering play",
    "brownian": "brownian play",
    "constant": "one constant action",
    "one_action": "an action drawn once and held",
    "turning": "turning back and forth, with a period of each episode's own",
    **{f"turning_{pace}": f"turning round every {pace} steps" for pace in (40, 80, 120)},
}
IN_DATA = {True: "in the data", False: "not in the data", None: "not known"}
ACTORS = {
    "recorded_actions": "dreams along the controller's recorded actions",
    "controller": "dreams with the controller acting",
}


def write_report(folder: RunFolder) -> None:
    """Write a page about a finished run that needs no other file."""
    result = read_json(folder.search / SCORES, MEND, "scores")
    scores, best = result["scores"], result.get("best_blind")
    head = [
        "<h1>A controller evolved in a dream</h1>",
        f"<p><b>In the game the controller scores {sentence(scores['game'])}.</b><br>"
        f"Random play with held actions scores {sentence(scores['held_random'])} "
        "on the same seeds.",
        *(_best_blind(result, best) if best else []),
        "</p>",
    ]
    parts = [*head, *_controller(folder), *_vae(folder), *_rnn(folder), *_costs(folder)]
    write_page(folder.report, parts)


def _best_blind(result: dict, best: str) -> list[str]:
    """Say what the best policy scores that ignores what it sees, and who is better."""
    apart = result["advantages"][best]
    low, high = map(_short, apart["interval"])
    return [
        f"<br>The best policy that ignores what it sees, {POLICIES.get(best, best)}, scores "
        f"{sentence(result['scores'][best])}; the controller's score minus this one is "
        f"{_short(apart['mean'])}, 95 % interval {low} to {high}."
    ]


def _controller(folder: RunFolder) -> list[str]:
    result = read_json(folder.search / SCORES, MEND, "scores")
    curves = folder.search / "generations.png"
    save_curves(curves, *generation_curves(folder.search))
    return [
        table(
            ["who plays, and where", "mean", "sd", "median", "95 % interval of mean", "episodes"],
            [_score_row(name, score) for name, score in result["scores"].items()],
        ),
        video(folder.search / "film.mp4", "The game, its reconstruction by the VAE, and a dream"),
        picture(folder.search / "film.png", "The same as a strip: game, reconstruction, dream"),
        "<h2>The search</h2>",
        picture(
            curves,
            "Scores of all candidates of a generation, and of the mean of the search where it was "
            "measured",
        ),
        "<h2>How long an episode lasts under policies that ignore what they see</h2>",
        "<p>A dream is like the game if both columns agree. The data hold a policy if at least one "
        "in a hundred recorded episodes was played like it.</p>",
        table(
            ["policy", "steps in the dream", "steps in the game", "dream / game", "in the data?"],
            [
                _survival_row(name, row)
                for known in IN_DATA
                for name, row in result["survival"].items()
                if row.get("in_data") is known
            ],
        ),
        *_own_play(result.get("free_running", {})),
    ]


def _own_play(found: dict) -> list[str]:
    """Return tables of dreams that go on from the controller's own episodes, by who acts."""
    if not found:
        return []
    title = (
        "Do dreams from the controller's own episodes end as often as the game, and reward alike?"
    )
    parts = [f"<h2>{title}</h2>"]
    for actor, compared in found.items():
        parts += [f"<p>{ACTORS[actor].capitalize()}.</p>", free_running_table(compared)]
    return parts


def generation_curves(folder: Path) -> tuple[dict[str, tuple], str, str]:
    """Return what `save_curves` draws of the search in the folder of stage 5.

    Returns:
        The curves by name, and the labels of both axes.
    """
    place = read_json(folder / CONFIG, MEND, "arguments")["arguments"]["train_in"]
    rows = read_json_lines(folder / METRICS, MEND) if (folder / METRICS).exists() else []
    numbers = [row["generation"] for row in rows]
    curves = {
        f"{name} of the candidates, in the {place}": (numbers, [row[name] for row in rows])
        for name in ("mean", "best")
    }
    scored = [row for row in rows if "game_score" in row]
    for where, caption in (("dream", "in the dream"), ("game", "in the game")):
        measured = [row[f"{where}_score"] for row in scored]
        curves[f"mean of the search, {caption}"] = (
            [row["generation"] for row in scored],
            [score["mean"] for score in measured],
            [score["std"] / score["episodes"] ** 0.5 for score in measured],
        )
    return curves, "generation", "score (bands: standard error)"


def _score_row(name: str, score: dict) -> list:
    low, high = score["interval"]
    values = [_short(score[key]) for key in ("mean", "std", "median")]
    return [who(name), *values, f"{_short(low)} to {_short(high)}", score["episodes"]]


def who(name: str) -> str:
    """Say who played and where; `name` is a key of the scores of stage 5."""
    places = {"dream": "controller, in its dream", "game": "controller, in the game"}
    return places.get(name) or f"{POLICIES.get(name, name)}, in the game"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.1f}"


def _survival_row(name: str, row: dict) -> list:
    means = [f"{row[where]['mean']:.0f}" for where in ("dream", "game")]
    in_data, share = IN_DATA[row.get("in_data")], row.get("data_share")
    if share is not None:
        in_data += f", {100 * share:.1f} % of episodes"
    return [POLICIES.get(name, name), *means, f"{row['ratio']:.2f}", in_data]


def _vae(folder: RunFolder) -> list[str]:
    """Return what was learned to see; later rounds see with the first round's VAE."""
    if not (folder.vae / METRICS).exists():
        return []
    last = sorted((folder.vae / "reconstructions").glob("*.png"))[-1]
    rows = read_json_lines(folder.vae / METRICS, MEND)
    names = [name for name in rows[-1] if name.startswith("mse")]
    errors = [[row["epoch"], *(f"{row[n]:.4f}" for n in names)] for row in rows]
    return [
        "<h2>The VAE</h2>",
        picture(last, "Held-out frames above, reconstructions below"),
        table(["epoch", *names], errors),
        picture(folder.vae / "curves.png", "Loss of the VAE"),
    ]


def _rnn(folder: RunFolder) -> list[str]:
    scores = read_json(folder.rnn / SCORES, MEND, "latent_size", "nats_per_frame")
    size = scores["latent_size"]
    rows = [[n, f"{v:.2f}", f"{v / size:.3f}"] for n, v in scores["nats_per_frame"].items()]
    return [
        "<h2>The MDN-RNN</h2>",
        table(["held-out episodes", "nats per frame", "nats per dimension"], rows),
        picture(folder.rnn / "curves.png", "Nats per dimension of the next latent"),
        picture(folder.rnn / "hazard.png", "Calibration of the predicted end of an episode"),
        *_free_running(scores.get("free_running", {})),
    ]


def _free_running(found: dict) -> list[str]:
    """Return a table of `reverie.dreams.free_running`; runs of earlier versions have none."""
    if not found:
        return []
    title = "Do dreams along the actions of held-out episodes end as often as the game?"
    return [f"<h3>{title}</h3>", free_running_table(found)]


def free_running_table(found: dict) -> str:
    """Return a table of what `reverie.dreams.free_running` found."""
    header = [
        "steps",
        "ends in the game",
        "expected on recorded latents ÷ game",
        "expected in dreams ÷ game",
        "reward in dreams ÷ game",
    ]
    rows = [
        [steps, row["game"], *(_multiple(row, name) for name in ("latents", "dreams", "reward"))]
        for steps, row in found.items()
        if steps != "states"
    ]
    return table(header, rows)


def _multiple(row: dict, name: str) -> str:
    if row.get(name) is None:
        return "–"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.2f} [{low:.2f} to {high:.2f}]"


def _costs(folder: RunFolder) -> list[str]:
    """Return a table of the time that each stage took, if it was recorded."""
    if not folder.costs.exists():
        return []
    costs = read_json(folder.costs, "remove it")
    costs = {STAGE_NAMES[stage]: cost for stage, cost in costs.items()}
    keys = ("seconds", "processor_seconds")
    costs["all"] = {key: sum(cost[key] for cost in costs.values()) for key in keys}
    rows = [[name, *(f"{cost[key] / 60:.1f}" for key in keys)] for name, cost in costs.items()]
    header = ["stage", "minutes", "processor minutes"]
    return ["<h2>Time and cost, all starts of the command together</h2>", table(header, rows)]
