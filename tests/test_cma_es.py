"""CMA-ES that can be stopped between any two generations."""

import h5py
import numpy as np
import pytest
from helpers import cuts

from reverie.artifacts import InputError
from reverie.controllers.cma_es import CMAES

TARGET = np.array([1.0, -2.0, 0.5, 3.0])


def evolution(path, size=4, population=12, sigma=0.5, seed=0):
    return CMAES(path, size, population, sigma, seed)


def run(search, generations, save=False):
    for _ in range(generations):
        candidates = search.ask()
        search.tell(-((candidates - TARGET) ** 2).sum(axis=1))
        if save:
            search.save()
    return search


def test_finds_the_top_of_a_hill(tmp_path):
    search = run(evolution(tmp_path / "e.h5"), 80)
    np.testing.assert_allclose(search.mean, TARGET, atol=1e-3)
    assert search.generation == 80


@pytest.mark.parametrize("seed", [0, 1, 123, 2**32, 12345678901234567890])
def test_resumed_is_uninterrupted(tmp_path, seed):
    path = tmp_path / "e.h5"
    whole = run(evolution(path, seed=seed), 20)
    for _ in range(4):
        search = evolution(path, seed=seed)
        search.resume()
        run(search, 5, save=True)
    np.testing.assert_array_equal(search.mean, whole.mean)
    assert search.sigma == whole.sigma
    np.testing.assert_array_equal(search.ask(), whole.ask())
    np.testing.assert_array_equal(search.fitness, whole.fitness)


def test_seed_decides_and_zero_is_a_seed(tmp_path):
    first, second, other = (evolution(tmp_path / "e.h5", seed=s).ask() for s in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_numpys_own_generator_is_left_alone(tmp_path):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    run(evolution(tmp_path / "e.h5"), 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_candidates_of_equal_fitness_do_not_end_the_search(tmp_path):
    search = evolution(tmp_path / "e.h5")
    for _ in range(30):
        search.ask()
        search.tell(np.zeros(12))
    assert np.isfinite(search.mean).all()


def test_nothing_to_resume(tmp_path):
    assert not evolution(tmp_path / "e.h5").resume()


@pytest.mark.parametrize("other", [{"seed": 1}, {"sigma": 0.2}, {"population": 13}, {"size": 5}])
def test_other_settings_are_named(tmp_path, other):
    path = tmp_path / "e.h5"
    run(evolution(path), 2, save=True)
    with pytest.raises(InputError, match=r"e.h5: of a search with .*--new_model"):
        evolution(path, **other).resume()


def test_another_fitness_is_named(tmp_path):
    path = tmp_path / "e.h5"
    run(CMAES(path, 4, 12, 0.5, 0, {"rnn": "ours", "temperature": 1.0}), 2, save=True)
    CMAES(path, 4, 12, 0.5, 0, {"rnn": "ours", "temperature": 1.0}).resume()
    with pytest.raises(InputError, match=r"of a search with {'rnn': 'ours'}; repeat"):
        CMAES(path, 4, 12, 0.5, 0, {"rnn": "theirs", "temperature": 1.0}).resume()


def test_damaged_file_is_named(tmp_path):
    path = tmp_path / "e.h5"
    run(evolution(path), 2, save=True)
    with h5py.File(path, "a") as file:
        file["mean"][0] += 1.0
    with pytest.raises(InputError, match="another version"):
        evolution(path).resume()
    for content in [*cuts(path), b"this is a letter"]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"e.h5: damaged"):
            evolution(path).resume()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", "3"),
        ("settings", "{"),
        ("fitness", np.zeros((2, 3))),
        ("fitness", np.zeros(4)),
        ("fitness", np.array(["a", "b"], "S1")),
        ("mean", np.zeros(3)),
    ],
)
def test_a_file_of_another_shape_is_named(tmp_path, name, value):
    search = run(evolution(tmp_path / "e.h5"), 2, save=True)
    with h5py.File(search.path, "a") as file:
        if name == "settings":
            file.attrs[name] = value
        else:
            del file[name]
            file[name] = value
    with pytest.raises(InputError, match=r"e.h5: damaged"):
        evolution(search.path).resume()


def test_begins_where_it_is_told(tmp_path):
    search = CMAES(tmp_path / "e.h5", 4, 12, 1e-3, 0, start=TARGET)
    np.testing.assert_array_equal(search.mean, TARGET)
    np.testing.assert_allclose(search.ask().mean(axis=0), TARGET, atol=1e-2)
