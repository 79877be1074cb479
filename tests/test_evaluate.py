"""`python -m reverie.evaluate`: the parts on made-up numbers, and a tiny run from end to end."""

import json
import shutil

import numpy as np
import pytest
from helpers import write_latents

from reverie.dreams.recorded import recorded_states
from reverie.encoders.probes import LEAST
from reverie.evaluate.__main__ import main
from reverie.evaluate.held_out import HeldOut
from reverie.evaluate.open_loop import HORIZONS, dream_on, truth_errors
from reverie.evaluate.prediction import CHOICES, one_step, picks
from reverie.evaluate.probes import probe_scores
from reverie.evaluate.ranking import ranking, spearman
from reverie.evaluate.results import main as document
from reverie.evaluate.verdict import verdict
from reverie.latents.storage import Latents
from reverie.reports.scores import mean_over_episodes

LENGTHS = [130, 150, 120, 140] * 3
TRAIN, TEST = list(range(8)), list(range(8, 12))


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """Return episodes whose first latent is their truth."""
    path = tmp_path_factory.mktemp("evaluated") / "latents.npz"
    mu = np.random.default_rng(1).standard_normal((sum(LENGTHS) + len(LENGTHS), 3))
    seen = 5 * mu[:, 0].astype(np.float16).astype(float) + 2
    truth = {"infos/seen": seen, "infos/still": 0 * seen}
    write_latents(path, LENGTHS, 3, mu=mu.astype(np.float16), **truth)
    return HeldOut(Latents(path), TRAIN, TEST, [], True)


def test_predictions_have_intervals_and_baselines(dreamer, held_out):
    found = one_step(dreamer, held_out, seed=0)
    assert {"mixture", "shuffled actions", "next latent = this latent"} <= set(found["nats"])
    low, high = found["nats"]["mixture"]["interval"]
    assert low <= found["nats"]["mixture"]["value"] <= high
    steps = sum(LENGTHS[e] for e in TEST)
    rate = held_out.latents.end_rate()
    expected = -(len(TEST) * np.log(rate) + (steps - len(TEST)) * np.log(1 - rate)) / steps
    assert found["ends_at_constant_rate"] == pytest.approx(expected)
    assert found["calibration"]["observed_ends"] == len(TEST)


def test_the_played_actions_are_picked_among_five(dreamer, held_out):
    state, recorded = recorded_states(dreamer, held_out.latents, TEST, np.random.default_rng(0))
    found = picks(dreamer, held_out, state, recorded, seed=0)
    assert found["chance"] == 1 / CHOICES
    assert 0.0 <= found["share"]["value"] <= 1.0
    assert found["states"] <= len(recorded.episodes)


def test_what_is_true_is_read_from_latents(dreamer, held_out):
    state, recorded = recorded_states(dreamer, held_out.latents, TEST, np.random.default_rng(0))
    dreams = dream_on(dreamer, held_out, state, recorded, temperature=1.0, seed=0)
    found = truth_errors(dreams)
    assert list(found) == ["seen"]  # what never changes is not asked for
    assert set(found["seen"]) <= set(map(str, HORIZONS))
    for row in found["seen"].values():
        assert row["latents_error"]["value"] < 0.2 < row["dream_error"]["value"]


def test_linear_probes(dreamer, held_out):
    scores = probe_scores(dreamer, held_out)
    assert min(sum(LENGTHS[e] for e in part) for part in (TRAIN, TEST)) > LEAST
    assert scores["seen"]["z"]["value"] > 0.98
    assert scores["seen"]["h"]["value"] < 0.5  # latents are drawn anew: no memory foretells them


def test_ranks():
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 30, 20])) == pytest.approx(0.5)
    assert spearman(np.array([1.0, 1, 2]), np.array([1.0, 1, 5])) == pytest.approx(1.0)
    rows = [
        {"name": str(n), "controller": False, "dream": n, "game": -n, "optimism": None}
        for n in range(5)
    ]
    assert ranking(rows)["spearman"]["value"] == pytest.approx(-1.0)
    assert ranking(rows[:3])["spearman"] is None
    assert ranking([])["spearman"] is None


def test_a_mean_over_episodes_knows_that_rows_resemble_each_other():
    values, episodes = np.repeat([0.0, 1.0], 50), np.repeat([0, 1], 50)
    found = mean_over_episodes(values, None, episodes)
    assert found["value"] == 0.5
    assert found["interval"] == [0.0, 1.0]
    alone = mean_over_episodes(values)
    assert alone["interval"][1] - alone["interval"][0] < 0.25
    assert mean_over_episodes(np.array([10.0, 0.0]), np.array([5.0, 5.0]))["value"] == 1.0


def passing():
    """Return an evaluation with nothing against the dream."""
    row = {"dreams": 1.0, "dreams_interval": [0.9, 1.1], "reward": 1.0, "reward_interval": [1, 1]}
    free = {"states": 9, "200": row}
    player = {"name": "controller in c", "controller": True, "dream": 6.0, "game": 5.0}
    return {
        "unseen": True,
        "ranking": {"players": [player | {"optimism": 1.2}], "spearman": {"value": 0.9}},
        "free_running": {"held_out": free, "recorded_actions": free, "controller": free},
        "habits": [{"name": "constant", "ratio": 1.1, "in_data": True}],
        "picks": {"share": {"value": 0.6, "interval": [0.5, 0.7]}, "chance": 0.2},
        "one_step": {
            "shuffled_costs": {"value": 1.0, "interval": [0.8, 1.2]},
            "nats": {"mixture": {"value": 1.0}, "next latent = this latent": {"value": 3.0}},
        },
    }


def spoilt(result, *path, value):
    """Return an evaluation with one value changed."""
    result = json.loads(json.dumps(result))
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("ranking", "players", 0, "optimism"), 2.1, "promises the controller in c 2.1 times"),
        (("ranking", "spearman", "value"), 0.2, "Spearman 0.20"),
        (("free_running", "controller", "200", "dreams"), 0.49, "acts end 0.49 times as often"),
        (("free_running", "held_out", "200", "dreams"), 1.8, "held-out episodes end 1.80 times"),
        (("habits", 0, "ratio"), 3.4, "constant 3.4 times"),
        (("picks", "share", "interval"), [0.1, 0.4], "does not tell the played actions"),
        (("one_step", "shuffled_costs", "interval"), [-0.1, 0.4], "shuffled actions cost"),
        (("one_step", "nats", "mixture", "value"), 3.5, "no better than that nothing changes"),
    ],
)
def test_each_test_can_speak_against_a_dream(path, value, said):
    assert verdict(passing())["trusted"] is True
    found = verdict(spoilt(passing(), *path, value=value))
    assert found["trusted"] is False
    assert len(found["against"]) == 1
    assert said in found["line"]


def test_what_was_not_tested_is_not_trusted():
    result = passing()
    del result["free_running"]["controller"]
    result["ranking"]["players"][0]["controller"] = False
    result |= {"habits": [], "unseen": None}
    found = verdict(result)
    assert found["trusted"] is None
    assert len(found["unknown"]) == 4


@pytest.mark.filterwarnings("ignore")
def test_a_run_is_evaluated(run, tmp_path, capsys):
    flags = [str(run.root), "--states", "6", "--output_folder", str(tmp_path / "evaluation")]
    assert main(flags) == 0
    out = capsys.readouterr().out
    result = json.loads((tmp_path / "evaluation/evaluation.json").read_text())
    assert result["verdict"]["line"] in out
    assert result["unseen"] is True
    assert {"held_out", "recorded_actions", "controller"} == set(result["free_running"])
    assert any(row["controller"] for row in result["ranking"]["players"])
    for row in result["frames"].values():
        assert row["reconstruction"]["psnr"]["value"] > 5
        assert {"mixture", "one component", "last frame copied"} <= set(row)
    page = (tmp_path / "evaluation/evaluation.html").read_text()
    assert result["verdict"]["line"].partition(";")[0].partition("'")[0][1:] in page
    assert page.count("<img") == 3
    assert main(flags) == 0
    assert "nothing to do" in capsys.readouterr().out
    output = tmp_path / "results.md"
    assert document([str(tmp_path / "evaluation"), "--output", str(output)]) == 0
    assert result["verdict"]["line"] in output.read_text()
    assert f"| `{run.rnn_weights}` | doomrnn |" in output.read_text()
    assert document([str(tmp_path), "--output", str(output)]) == 2
    assert "python -m reverie.evaluate" in capsys.readouterr().err


def test_what_does_not_belong_together_is_refused(run, tmp_path, capsys):
    def refused(*flags, said):
        assert (
            main([str(run.root), "--output_folder", str(tmp_path / "out"), *map(str, flags)]) == 2
        )
        assert said in capsys.readouterr().err

    refused("--rollouts", tmp_path / "none", said="no such folder")
    refused("--controllers", tmp_path, said="no scores.json of stage 5 there")
    refused("--latents", tmp_path / "none.npz", said="none.npz")
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    shutil.copy(run.rollouts / "doomrnn_0.h5", fewer)
    refused("--rollouts", fewer, said="12 episodes that are not the 6 of")
    other = shutil.copytree(run.search, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["inputs"]["rnn"]["hash"] = "0"
    (other / "config.json").write_text(json.dumps(config))
    refused("--controllers", other, said="evolved with another MDN-RNN")
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no folder of a run" in capsys.readouterr().err
