"""The page that `make run` ends with: every picture and number of a run folder in one place."""

import base64
import html
import json
from pathlib import Path

from reverie.artifacts import read_json_lines, write_text
from reverie.reports.scores import sentence
from reverie.runs import METRICS, SCORES, RunFolder

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
img, video { max-width: 100%; image-rendering: pixelated; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr { border-bottom: 1px solid #ddd; }
figcaption { color: #555; font-size: 90%; } figure { margin: 1.5rem 0; }
"""


def write_report(folder: RunFolder) -> None:
    """Write a page about a finished run that needs no other file."""
    vae, rnn, controller = folder.vae, folder.rnn, folder.search
    result = json.loads((controller / SCORES).read_text())
    scores = result["scores"]
    last = sorted((vae / "reconstructions").glob("*.png"))[-1]
    parts = [
        "<h1>An agent evolved in its own dream</h1>",
        f"<p><b>In the real game it scores {sentence(scores['game'])}.</b><br>"
        f"Random play with held actions scores {sentence(scores['held_random'])} "
        "on the same seeds.</p>",
        _table(
            ["policy", "mean", "sd", "median", "95 % interval of the mean", "episodes"],
            [_score_row(name, score) for name, score in scores.items()],
        ),
        _video(controller / "film.mp4", "The game, what the VAE saw of it, and a dream"),
        _picture(controller / "film.png", "The same as a strip: game, VAE, dream"),
        _picture(controller / "scores.png", "The mean of the search in dream and game"),
        "<h2>How long policies live that do not look</h2>",
        _table(
            ["policy", "dream", "game", "dream / game"],
            [_survival_row(name, row) for name, row in result["survival"].items()],
        ),
        "<h2>What the VAE sees</h2>",
        _picture(last, "Held-out frames above, reconstructions below"),
        _table(*_errors(vae)),
        _picture(vae / "curves.png", "Loss of the VAE"),
        "<h2>What the MDN-RNN predicts</h2>",
        _table(*_nats(rnn)),
        _picture(rnn / "curves.png", "Nats per dimension of the next latent"),
        _picture(rnn / "hazard.png", "Is the predicted danger the real one?"),
    ]
    body = "\n".join(parts)
    page = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reverie</title>\n'
    write_text(folder.report, f"{page}<style>{STYLE}</style>\n<body>\n{body}\n</body></html>\n")


def _score_row(name: str, score: dict) -> list:
    low, high = score["interval"]
    values = [f"{score[key]:.0f}" for key in ("mean", "std", "median")]
    return [name.replace("_", " "), *values, f"{low:.0f} to {high:.0f}", score["episodes"]]


def _survival_row(name: str, row: dict) -> list:
    means = [f"{row[where]['mean']:.0f}" for where in ("dream", "game")]
    return [name.replace("_", " "), *means, f"{row['ratio']:.2f}"]


def _errors(vae: Path) -> tuple[list, list]:
    rows = read_json_lines(vae / METRICS)
    names = [name for name in rows[-1] if name.startswith("mse")]
    return ["epoch", *names], [[row["epoch"], *(f"{row[n]:.4f}" for n in names)] for row in rows]


def _nats(rnn: Path) -> tuple[list, list]:
    scores = json.loads((rnn / SCORES).read_text())
    size = scores["latent_size"]
    rows = [[n, f"{v:.2f}", f"{v / size:.3f}"] for n, v in scores["nats_per_frame"].items()]
    return ["held-out episodes", "nats per frame", "per dimension"], rows


def _table(header: list, rows: list[list]) -> str:
    lines = ["".join(f"<th>{html.escape(str(cell))}</th>" for cell in header)]
    lines += ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _picture(path: Path, caption: str) -> str:
    return _figure(f'<img src="data:image/png;base64,{_encoded(path)}" alt="{caption}">', caption)


def _video(path: Path, caption: str) -> str:
    source = f"data:video/mp4;base64,{_encoded(path)}"
    return _figure(f'<video src="{source}" controls loop muted autoplay></video>', caption)


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
