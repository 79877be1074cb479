"""All stages, a second round and a film, for a game that nobody here has heard of."""

import json
import shlex

import h5py
import numpy as np
import pytest
from helpers import load_script

from reverie.artifacts import file_hash
from reverie.controllers.controller import load_controller
from reverie.controllers.film import main as film
from reverie.controllers.kept_returns import KeptReturns
from reverie.headers import RolloutsHeader, open_header
from reverie.latents.storage import Latents
from reverie.rollouts.storage import batch_path, find_batches
from reverie.stage import EXIT_REQUEUE, stop_signal

GAME = "bandit:OwnBandit-v0"
SMALL = "--population 4 --rollouts 1 --generations 1 --eval_episodes 2 --time_steps 30 --workers 1"
VAE = "--epochs 1 --latent_size 4 --batch_size 25 --precision float32"


def stage(script, *flags):
    assert load_script(script).main([str(flag) for flag in flags]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    vae, rnn = folder / "vae/final_full_vae_weights.h5", folder / "rnn/run_1/final_rnn_weights.h5"
    record = ["01_generate_data.py", GAME, "--store_folder", folder, "--workers", 1]
    record += shlex.split("--total_episodes 4 --batch_size 4 --time_steps 30")
    stage(*record)
    see = ["02_train_vae.py", "--environment_name", GAME, "--input_data_folder", folder]
    stage(*see, "--savefolder", folder / "vae", *VAE.split())
    stage(
        *["03_generate_rnn_data.py", "--obs_folder", folder],
        *["--loaded_vae_weights", vae, "--savefolder", folder / "vae"],
    )
    latents = folder / "vae/rnn_format_data/rnn_training_data.npz"
    dream = ["04_train_rnn.py", "--training_data_file", latents, "--units", 8, "--epochs", 1]
    dream += ["--upper_level_folder_name", folder / "rnn", "--sequence_length", 20]
    stage(*dream, "--batch_size", 4)
    again = folder / "dream/controller.h5"
    from_there = ["--initial_controller", again, "--sigma_init", 1e-9]
    for place, start in {"dream": [], "game": from_there}.items():
        stage(
            *["05_train_controller.py", GAME, "--train_in", place, *SMALL.split(), *start],
            *["--vae_weights", vae, "--rnn_weights", rnn, "--output_folder", folder / place],
        )
    stage(*record, "--policy", again, "--start_batch", 1)
    stage(*record, "--policy", again, "--start_batch", 2, "--action_noise", 2)
    more = ["--savefolder", folder / "second", "--initial_weights", vae]
    stage(*see, *more, *VAE.split(), "--learning_rate", 1e-9)
    more = ["--output_folder_name", "run_2", "--initial_weights", rnn, "--learning_rate", 1e-9]
    stage(*dream, *more, "--batch_size", 5)
    return folder


def test_choices_reach_the_networks_one_hot(folder):
    latents = Latents(folder / "vae/rnn_format_data/rnn_training_data.npz")
    assert latents.arrays["actions"].shape[1:] == (2,)
    assert latents.action_size == 5
    controller, parameters, header = load_controller(folder / "dream/controller.h5")
    assert controller.code == latents.code
    assert parameters.shape == ((4 + 8 + 1) * 5,)
    assert header.options == {"time_steps": 30}


@pytest.mark.parametrize("place", ["dream", "game"])
def test_scores_of_a_controller_from_dream_and_game(folder, place):
    result = json.loads((folder / place / "scores.json").read_text())
    scores, best = result["scores"], result["best_blind"]
    assert (best is None) == (place == "game")  # a search in the game compares no dream with it
    assert set(scores) - {best} == {"dream", "game", "held_random", "constant"} - {best}
    assert set(result["advantages"]) == set(scores) - {"dream", "game"}
    assert set(result["free_running"]) == {"recorded_actions", "controller"}
    assert 0 <= scores["game"]["mean"] <= 9  # nine wins end an episode
    assert "at_limit" not in scores["game"]


def test_no_generations_score_an_earlier_controller_as_it_is(folder):
    start, scored = folder / "dream/controller.h5", folder / "scored"
    stage(
        *["05_train_controller.py", GAME, *SMALL.split(), "--generations", 0],
        *["--initial_controller", start, "--output_folder", scored],
        *["--vae_weights", folder / "vae/final_full_vae_weights.h5"],
        *["--rnn_weights", folder / "rnn/run_1/final_rnn_weights.h5"],
    )
    ours, theirs = (load_controller(path) for path in (scored / "controller.h5", start))
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert json.loads((scored / "scores.json").read_text())["scores"]["game"]["episodes"] > 1
    assert (scored / "film.mp4").exists()


def test_a_search_begins_around_an_earlier_controller(folder, capsys):
    dreamt, played = (folder / place / "controller.h5" for place in ("dream", "game"))
    np.testing.assert_allclose(load_controller(played)[1], load_controller(dreamt)[1], atol=1e-6)
    weights = [folder / "vae/final_full_vae_weights.h5", folder / "rnn/run_1/final_rnn_weights.h5"]
    flags = [GAME, "--vae_weights", weights[0], "--rnn_weights", weights[1], *SMALL.split()]
    flags += ["--output_folder", folder / "other", "--initial_controller"]
    script = load_script("05_train_controller.py")
    assert script.main([str(flag) for flag in [*flags, dreamt, "--features", "z"]]) == 2
    assert f"{dreamt}: a controller of another shape (zh, 4 latents" in capsys.readouterr().err
    assert script.main([str(flag) for flag in [*flags, folder / "none.h5"]]) == 2
    assert "none.h5: no controller there" in capsys.readouterr().err


def test_a_search_in_the_dreams_of_two_networks(folder, capsys):
    first, second = (folder / f"rnn/run_{n}/final_rnn_weights.h5" for n in (1, 2))
    flags = ["05_train_controller.py", GAME, *SMALL.split(), "--output_folder", folder / "both"]
    flags += ["--vae_weights", folder / "vae/final_full_vae_weights.h5", "--rnn_weights", first]
    flags += ["--other_rnn_weights", second]
    stage(*flags)
    config = json.loads((folder / "both/config.json").read_text())
    assert config["inputs"]["rnn_2"]["hash"] == file_hash(second)
    args = [str(flag) for flag in [*flags[1:], "--train_in", "game"]]
    assert load_script(flags[0]).main(args) == 2
    assert "--other_rnn_weights: they dream" in capsys.readouterr().err


def test_a_controller_plays_the_second_round(folder):
    paths = [batch_path(folder, GAME, number) for number in range(3)]
    assert find_batches(folder, GAME) == paths
    played, disturbed = (open_header(path, RolloutsHeader).policy for path in paths[1:])
    assert played == f"controller:{file_hash(folder / 'dream/controller.h5')}"
    assert disturbed == f"{played}, noise 2"


def test_noise_is_for_controllers(folder, capsys):
    flags = [GAME, "--store_folder", str(folder / "none"), "--action_noise", "1"]
    assert load_script("01_generate_data.py").main(flags) == 2
    assert "--action_noise: disturbs a controller, not held_random" in capsys.readouterr().err


def test_a_film_on_request(folder, tmp_path):
    path = tmp_path / "film.mp4"
    flags = [folder / "dream/controller.h5", "--output", path, "--seed", 3]
    assert film([str(flag) for flag in flags]) == 0
    assert b"ftyp" in path.read_bytes()[:12]
    assert path.with_suffix(".png").stat().st_size > 500


def test_what_cannot_be_filmed_or_continued(folder, capsys):
    assert film([str(folder / "dream/controller.h5"), "--output", "film.gif"]) == 2
    assert "let it end in .mp4" in capsys.readouterr().err
    weights = folder / "vae/final_full_vae_weights.h5"
    flags = ["--environment_name", GAME, "--input_data_folder", folder, "--latent_size", 7]
    flags += ["--initial_weights", weights, "--savefolder", folder / "other"]
    assert load_script("02_train_vae.py").main([str(flag) for flag in flags]) == 2
    assert f"{weights}: its latent_size is 4, not 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("vae/final_full_vae_weights.h5", "second/final_full_vae_weights.h5"),
        ("rnn/run_1/final_rnn_weights.h5", "rnn/run_2/final_rnn_weights.h5"),
    ],
)
def test_a_second_round_begins_where_the_first_ended(folder, first, second):
    """At a rate of next to nothing it also ends there; the mean frame is that of the new data."""
    ours, theirs = (arrays(folder / path) for path in (second, first))
    assert ours.keys() == theirs.keys()
    for name in ours:
        if not name.endswith("mean_frame"):
            np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5, err_msg=name)


def arrays(path):
    """Return all weights in a file by their names."""
    found = {}
    with h5py.File(path) as file:
        file["weights"].visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None
        )
    return found


def test_a_signal_in_a_generation_loses_no_finished_episode(folder, tmp_path, monkeypatch):
    """Stopped in its search and in its score: the results are the same."""
    script, added, add = load_script("05_train_controller.py"), [], KeptReturns.add

    def search(place):
        flags = [GAME, "--train_in", "game", *SMALL.split(), "--generations", 2, "--rollouts", 2]
        flags += ["--vae_weights", folder / "vae/final_full_vae_weights.h5"]
        flags += ["--rnn_weights", folder / "rnn/run_1/final_rnn_weights.h5"]
        return script.main([str(flag) for flag in [*flags, "--output_folder", tmp_path / place]])

    def stop_at(count):
        def adding(self, job, value, save=False):
            added.append(job)
            stop_signal.requested |= len(added) == count
            add(self, job, value, save or stop_signal.requested)

        added.clear()
        monkeypatch.setattr(KeptReturns, "add", adding)

    stop_at(-1)
    assert search("whole") == 0
    played = len(added)
    assert played == 2 * (4 * 2) + 2  # two generations, the final score
    places = [11, 6]  # in the second generation, and in the score after it
    for count in places:
        stop_at(count)
        assert search("stopped") == EXIT_REQUEUE
        assert len(added) == count
    stop_at(-1)
    assert search("stopped") == 0
    assert len(added) + sum(places) == played
    scores = [json.loads((tmp_path / p / "scores.json").read_text()) for p in ("whole", "stopped")]
    assert scores[0] == scores[1]
    assert not list((tmp_path / "stopped").glob("unfinished*"))
