"""A training run: it resumes exactly, keeps the right weights, and says when it is done."""

import dataclasses
import json

import h5py
import keras
import numpy as np
import pytest

from reverie.artifacts import InputError, read_json_lines
from reverie.headers import WeightsHeader
from reverie.models.critic import Critic
from reverie.models.mdn_rnn import MDNRNN
from reverie.stage import Stopped, stop_signal
from reverie.training.checkpoint import load_checkpoint, read_progress
from reverie.training.fit import fit
from reverie.training.steps import Carrying, Step
from reverie.training.streams import ArrayStream
from reverie.training.task import Task, TrainingOptions
from reverie.training.weights import load_weights

SIZE = 12  # pixels
OPTIONS = TrainingOptions(epochs=3, learning_rate=1e-2)


@pytest.fixture(autouse=True)
def no_signal():
    yield
    stop_signal.requested = False


def pictures(count, seed):
    """Return noise, brighter where the target is 1."""
    rng = np.random.default_rng(seed)
    targets = (np.arange(count) % 2).astype(np.float32)
    frames = rng.integers(0, 150, (count, SIZE, SIZE, 3)) + 100 * targets[:, None, None, None]
    return frames.astype(np.uint8), targets


class Interrupted(ArrayStream):
    """Asks the run to stop after some batches."""

    after = None

    def batches(self, epoch):
        for index, batch in enumerate(super().batches(epoch)):
            if self.after == (epoch, index):
                stop_signal.requested = True
            yield batch


def build():
    """Return a network that draws: it leaves out features by chance."""
    keras.utils.set_random_seed(3)
    return Critic(SIZE, SIZE, width=4, seed=5)


def task(**changes):
    train, held_out = pictures(20, 0), pictures(10, 1)
    values = {
        "name": "critic",
        "weights": "critic.h5",
        "build": build,
        "train": Interrupted(*train, batch_size=5),
        "held_out": ArrayStream(*held_out, batch_size=4),
        "identity": {"seed": 3, "data": "0123"},
        "header": WeightsHeader("crafter"),
        "clipnorm": 10.0,
    }
    return Task(**values | changes)


def contrary(**changes):
    """Return a task whose held-out loss rises while the other falls."""
    frames, targets = pictures(10, 1)
    return task(held_out=ArrayStream(frames, 1.0 - targets, batch_size=5), **changes)


def weights_of(path):
    network = build()
    load_weights(path, network)
    return network.get_weights()


def same(ours, theirs, **tolerance):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        np.testing.assert_allclose(one, other, **tolerance or {"rtol": 1e-5, "atol": 1e-7})


def rows_of(folder):
    rows = read_json_lines(folder / "metrics.jsonl", "train")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run that nothing has interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    fit(task(), folder, OPTIONS)
    return folder


def test_a_run_leaves_everything(whole):
    names = {path.name for path in whole.iterdir() if path.name != "logs"}
    files = {"critic.h5", "checkpoint.h5", "config.json", "metrics.jsonl", "curves.png"}
    assert names == files | {"scores.json"}
    assert [row["epoch"] for row in rows_of(whole)] == [1, 2, 3]
    assert rows_of(whole)[-1]["loss"] < rows_of(whole)[0]["loss"]
    scores = json.loads((whole / "scores.json").read_text())
    assert scores == read_json_lines(whole / "metrics.jsonl", "train")[-1]


@pytest.mark.parametrize("after", [(0, 1), (1, 3)])
def test_a_run_that_was_interrupted_ends_as_if_it_was_not(whole, tmp_path, after):
    stopped = task()
    stopped.train.after = after
    with pytest.raises(Stopped):
        fit(stopped, tmp_path, OPTIONS)
    assert not (tmp_path / "scores.json").exists()
    where = read_progress(tmp_path / "checkpoint.h5")
    assert (where.epoch, where.batch) == (after[0], after[1] + 1)
    stop_signal.requested = False
    fit(task(), tmp_path, OPTIONS)
    same(weights_of(tmp_path / "critic.h5"), weights_of(whole / "critic.h5"))
    for ours, theirs in zip(rows_of(tmp_path), rows_of(whole), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_more_epochs_go_on(whole, tmp_path):
    fit(task(), tmp_path, dataclasses.replace(OPTIONS, epochs=2))
    scores = fit(task(), tmp_path, OPTIONS)
    assert scores["epoch"] == 3
    assert [row["epoch"] for row in rows_of(tmp_path)] == [1, 2, 3]


def test_a_finished_run_is_left_alone(whole, capsys):
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in whole.glob("*.*")}
    scores = fit(task(build=None), whole, OPTIONS)
    assert scores == json.loads((whole / "scores.json").read_text())
    assert "nothing to do" in capsys.readouterr().out
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in whole.glob("*.*")}


def test_damaged_scores_are_named(tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=1)
    fit(task(), tmp_path, options)
    (tmp_path / "scores.json").write_text("no JSON")
    with pytest.raises(InputError, match=r"scores.json: damaged.*delete it"):
        fit(task(), tmp_path, options)


def test_what_is_missing_at_the_end_is_made_again(tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=1)
    fit(task(), tmp_path, options)
    kept, row = weights_of(tmp_path / "critic.h5"), rows_of(tmp_path)
    for name in ("critic.h5", "scores.json"):
        (tmp_path / name).unlink()
        fit(task(), tmp_path, options)
        same(weights_of(tmp_path / "critic.h5"), kept)
        assert rows_of(tmp_path) == row
    fit(task(keep="best"), tmp_path / "best", options)
    (tmp_path / "best" / "critic.h5").unlink()
    with pytest.raises(InputError, match=r"critic.h5: the best weights are gone; add --new_model"):
        fit(task(keep="best"), tmp_path / "best", options)


def test_the_best_or_the_last_weights_are_kept(tmp_path):
    seen = []

    def paint(network, history):
        seen.append(network.get_weights())
        assert len(history) == len(seen)

    scores = fit(contrary(keep="best", paint=paint), tmp_path / "best", OPTIONS)
    losses = [row["val_loss"] for row in rows_of(tmp_path / "best")]
    assert losses == sorted(losses)
    assert scores["epoch"] == 1
    same(weights_of(tmp_path / "best" / "critic.h5"), seen[0])
    fit(contrary(keep="last"), tmp_path / "last", OPTIONS)
    same(weights_of(tmp_path / "last" / "critic.h5"), seen[2])


def test_patience_ends_a_run_and_more_of_it_goes_on(tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=9, patience=2)
    fit(contrary(keep="best"), tmp_path, options)
    assert [row["epoch"] for row in rows_of(tmp_path)] == [1, 2, 3]
    fit(contrary(keep="best"), tmp_path, dataclasses.replace(options, patience=3))
    assert [row["epoch"] for row in rows_of(tmp_path)] == [1, 2, 3, 4]


def test_weights_of_some_epochs_are_kept(tmp_path):
    seen = []
    fit(
        task(paint=lambda network, _: seen.append(network.get_weights())),
        tmp_path,
        dataclasses.replace(OPTIONS, save_interval=2),
    )
    assert [path.name for path in tmp_path.glob("weights_*.h5")] == ["weights_002.h5"]
    same(weights_of(tmp_path / "weights_002.h5"), seen[1])


def test_what_is_judged_lands_in_the_metrics_and_what_is_reported_in_the_scores(tmp_path):
    judged = task(
        judge=lambda network, history: {"half": history[-1]["epoch"] / 2},
        report=lambda network, history: {"epochs": len(history), "weights": len(network.weights)},
    )
    scores = fit(judged, tmp_path, OPTIONS)
    assert [row["half"] for row in rows_of(tmp_path)] == [0.5, 1.0, 1.5]
    assert scores == {"epochs": 3, "weights": len(build().weights)}


@pytest.mark.parametrize("change", [{"seed": 4}, {"data": "4567"}, {"game": "doomrnn"}])
def test_a_run_of_another_identity_is_refused(whole, tmp_path, change):
    options = dataclasses.replace(OPTIONS, epochs=1)
    fit(task(), tmp_path, options)
    other = task(identity=task().identity | change)
    with pytest.raises(InputError, match=rf"checkpoint.h5: .*{next(iter(change))}.*--new_model"):
        fit(other, tmp_path, options)
    assert (tmp_path / "scores.json").exists()


def test_another_learning_rate_is_another_run(whole):
    with pytest.raises(InputError, match=r"checkpoint.h5: .*learning_rate"):
        fit(task(), whole, dataclasses.replace(OPTIONS, learning_rate=2e-2))


def test_a_new_model_starts_afresh(tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=1, new_model=True)
    fit(task(), tmp_path, OPTIONS)
    fit(task(identity={"seed": 9}), tmp_path, options)
    assert [row["epoch"] for row in rows_of(tmp_path)] == [1]


# Numbers that are none


def test_weights_are_finite_or_not_written(tmp_path):
    one_batch = task(train=ArrayStream(*pictures(5, 0), batch_size=5))
    options = TrainingOptions(epochs=1, learning_rate=float("nan"), save_interval=1)
    with pytest.raises(InputError, match="nothing was saved; lower --learning_rate"):
        fit(one_batch, tmp_path, options)
    assert not list(tmp_path.glob("*.h5"))


def test_a_loss_that_is_none_leaves_the_last_good_checkpoint(tmp_path):
    fit(task(), tmp_path, dataclasses.replace(OPTIONS, epochs=1))
    frames, targets = pictures(20, 0)
    targets[7] = np.nan
    with pytest.raises(InputError, match=r"loss is nan in epoch 2, after 1 batches.*checkpoint"):
        fit(task(train=ArrayStream(frames, targets, batch_size=5)), tmp_path, OPTIONS)
    checkpoint = tmp_path / "checkpoint.h5"
    assert read_progress(checkpoint).epoch == 1
    step = Step(build(), 1e-2)
    load_checkpoint(checkpoint, step.variables)
    assert step.is_finite()


def test_a_held_out_loss_that_is_none_is_said(tmp_path):
    frames, targets = pictures(10, 1)
    targets[3] = np.inf
    with pytest.raises(InputError, match="the held-out loss is "):
        fit(task(held_out=ArrayStream(frames, targets, batch_size=5)), tmp_path, OPTIONS)


# Checkpoints that do not fit


def test_a_checkpoint_of_another_network_is_named(whole, tmp_path):
    step = Step(Critic(SIZE, SIZE, width=6), 1e-2)
    with pytest.raises(InputError, match=r"checkpoint.h5: .*other sizes; add --new_model"):
        load_checkpoint(whole / "checkpoint.h5", step.variables)
    path = tmp_path / "checkpoint.h5"
    for content in (b"", (whole / "checkpoint.h5").read_bytes()[:5000]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged checkpoint"):
            fit(task(), tmp_path, OPTIONS)
    with h5py.File(path, "w") as file:
        file.attrs["state"] = json.dumps({"patience": 3})
    with pytest.raises(InputError, match="damaged checkpoint"):
        read_progress(path)


# Streams and validation


def test_batches_weigh_what_their_streams_say(tmp_path):
    options = dataclasses.replace(OPTIONS, epochs=1)
    losses = []
    for size in (4, 10):
        held_out = ArrayStream(*pictures(10, 1), batch_size=size)
        assert held_out.steps_per_epoch == len(list(held_out.batches(0)))
        losses.append(fit(task(held_out=held_out), tmp_path / str(size), options)["val_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class Windows:
    """Two windows of six steps that follow each other, in rows that are episodes."""

    steps_per_epoch, rows = 2, 3

    def __init__(self, interrupted=False):
        rng = np.random.default_rng(0)
        self.mu = rng.standard_normal((self.rows, 13, 2)).astype(np.float32)
        self.interrupted = interrupted

    def batches(self, epoch):
        for window in range(2):
            stop_signal.requested = self.interrupted and (epoch, window) == (1, 0)
            yield self.batch(window)

    def batch(self, window):
        mu = self.mu[:, 6 * window : 6 * window + 7]
        x = {"mu": mu, "logvar": np.full_like(mu, -1.0), "actions": mu[:, 1:, :1]}
        zeros = np.zeros((self.rows, 6), np.float32)
        x["begins"] = np.zeros((self.rows, 6), np.float32)
        x["begins"][:, 0] = window == 0
        return x, {"reward": zeros, "termination": zeros, "mask": zeros + 1.0}

    def weight(self, batch):
        return float(batch[1]["mask"].sum())


def recurrent():
    keras.utils.set_random_seed(0)
    return MDNRNN(2, 1, 4, 2, seed=1)


def recurrent_task(**changes):
    values = {"name": "rnn", "weights": "rnn.h5", "build": recurrent, "identity": {}}
    values["header"] = WeightsHeader("doomrnn")
    values |= {"train": Windows(), "held_out": Windows(), "carried_rows": Windows.rows}
    return Task(**values | changes)


def test_the_state_is_carried_from_batch_to_batch():
    rnn = recurrent()
    step, windows = Step(rnn, 1e-3, carried_rows=3), Windows()
    carried = [step.model(windows.batch(window)[0]) for window in (0, 1)]
    assert isinstance(step.model, Carrying)
    rnn.seed_generator.state.assign(recurrent().seed_generator.state)
    first, state = rnn.unroll(windows.batch(0)[0])
    second, _ = rnn.unroll(windows.batch(1)[0], state)
    alone = rnn(windows.batch(1)[0])
    for ours, theirs in zip(carried, (first, second)):
        np.testing.assert_allclose(ours["mixture"], theirs["mixture"], rtol=1e-4, atol=1e-6)
    assert np.abs(np.asarray(alone["reward"]) - np.asarray(second["reward"])).max() > 1e-4
    held = {id(variable) for variable in step.variables}
    assert all(id(part) in held for part in step.model.state)
    assert not {id(part) for part in step.model.state} & {id(w) for w in rnn.weights}


def test_a_recurrent_run_that_was_interrupted_ends_as_if_it_was_not(tmp_path):
    options = TrainingOptions(epochs=2, learning_rate=1e-2)
    fit(recurrent_task(), tmp_path / "whole", options)
    with pytest.raises(Stopped):
        fit(recurrent_task(train=Windows(interrupted=True)), tmp_path / "parts", options)
    stop_signal.requested = False
    fit(recurrent_task(), tmp_path / "parts", options)
    for ours, theirs in zip(rows_of(tmp_path / "parts"), rows_of(tmp_path / "whole"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)


def test_validation_draws_the_same_noise_every_time_and_leaves_that_of_the_training(tmp_path):
    step, windows = Step(recurrent(), 1e-3, carried_rows=3), Windows()
    step.train(windows.batch(0), 1e-3)
    before = [np.array(variable.value) for variable in step.variables]
    losses = []
    for _ in range(2):
        with step.validation():
            losses.append([float(step.validate(b)["loss"]) for b in windows.batches(0)])
    assert losses[0] == losses[1]
    same([np.array(variable.value) for variable in step.variables], before, rtol=0, atol=0)
