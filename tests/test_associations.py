"""Statistics: what is there is found, what is not there is not, and the earlier test is biased."""

import numpy as np
import pytest

from reverie.mixtures.associations import (
    associate,
    classes_information,
    coincidences,
    holm,
    mutual_information,
)
from reverie.mixtures.earlier import earlier_test, mann_whitney

COMPONENTS = 4
DREAMS, STEPS = 16, 200


def runs(rng, steps, chance):
    """Return a series of runs: on or off, in the mean 1 / chance steps long."""
    return np.cumsum(rng.random(steps) < chance) % 2 == 1


def synthetic(seed, share):
    """Return dreams in which a share of the frames has the component that its label names.

    Other frames have a component of slow runs that knows nothing of the label.
    """
    rng = np.random.default_rng(seed)
    components, labels = [], []
    for _ in range(DREAMS):
        first, second = (runs(rng, STEPS, 0.1) for _ in range(2))
        idle = np.repeat(rng.choice(COMPONENTS, STEPS // 8, p=[0.7, 0.1, 0.1, 0.1]), 8)
        told = np.where(first & ~second, 1, np.where(second, 2, idle))
        components.append(np.where(rng.random(STEPS) < share, told, idle))
        labels.append({"first": first & ~second, "second": second})
    return components, labels


def test_a_known_assignment_is_found():
    result = associate(*synthetic(0, share=0.8), COMPONENTS)
    for name, component in (("first", 1), ("second", 2)):
        row = result[name]
        assert row["main"] == [component, component]
        assert row["share"] == pytest.approx(0.8 + 0.2 * 0.1, abs=0.05)
        assert row["elsewhere"] < 0.15
        low, high = row["interval"]
        assert low < row["effect"] < high
        assert low > 0.6
        assert high < 0.85
        assert row["p"] == pytest.approx(1 / 2001)
        assert row["p_corrected"] == pytest.approx(2 / 2001)
        assert row["nmi"] > 10 * row["nmi_null"]
        assert row["nmi_p"] == pytest.approx(1 / 2001)


def test_nothing_is_found_where_nothing_is():
    """On labels of other dreams, the p-values are as uniform as chance has them."""
    ps, nmi_ps, covered = [], [], 0
    for seed in range(40):
        components, _ = synthetic(seed, share=0.8)
        labels = synthetic(1000 + seed, share=0.8)[1]
        result = associate(components, labels, COMPONENTS, seed, shifts=200)
        for row in result.values():
            ps.append(row["p"])
            nmi_ps.append(row["nmi_p"])
            covered += row["interval"][0] <= 0.0 <= row["interval"][1]
    for values in (ps, nmi_ps):
        assert np.mean(np.array(values) < 0.05) < 0.15  # 80 of them: 0.05 expected, sd 0.024
        assert 0.35 < np.mean(values) < 0.65
    assert covered > 0.85 * len(ps)


def test_runs_do_not_fool_the_null():
    """Two slow series look alike by chance; a test that shuffles frames would cry out."""
    rng = np.random.default_rng(3)
    found = 0
    for seed in range(20):
        components = [np.repeat(rng.integers(0, 2, 5), 40) for _ in range(6)]
        labels = [{"slow": np.repeat(rng.integers(0, 2, 5), 40) == 1} for _ in range(6)]
        row = associate(components, labels, 2, seed, shifts=200)["slow"]
        found += row.get("p", 1.0) < 0.05
    assert found <= 4


def test_the_earlier_test_finds_what_is_not_there():
    rng = np.random.default_rng(5)
    components = [np.repeat(rng.integers(0, COMPONENTS, STEPS // 8), 8) for _ in range(DREAMS)]
    labels = [{f"l{i}": rng.random(STEPS) < 0.04 for i in range(4)} for _ in range(DREAMS)]
    biased = earlier_test(components, labels, COMPONENTS)
    assert min(row["biased_p"] for row in biased.values()) < 0.05
    assert all(row["current"][1] > row["any"][1] for row in biased.values())
    honest = associate(components, labels, COMPONENTS)
    assert min(row["p_corrected"] for row in honest.values()) > 0.05


def test_a_seed_decides():
    data = synthetic(0, share=0.1)
    assert associate(*data, COMPONENTS, 1) == associate(*data, COMPONENTS, 1)
    assert associate(*data, COMPONENTS, 1) != associate(*data, COMPONENTS, 2)


def test_rare_labels_are_counted_and_not_tested():
    components, labels = synthetic(0, share=0.5)
    for number, dream in enumerate(labels):
        dream["rare"] = np.arange(STEPS) == (5 if number < 2 else -1)
    result = associate(components, labels, COMPONENTS)
    assert result["rare"] == {"frames": 2, "dreams": 2}
    assert result["first"]["p_corrected"] == pytest.approx(2 / 2001)


def test_dreams_of_one_component_have_nothing_to_find():
    components, labels = synthetic(0, share=0.5)
    result = associate([np.zeros_like(c) for c in components], labels, 1)
    for row in result.values():
        assert row["effect"] == 0.0
        assert row["p"] == row["nmi_p"] == 1.0


def test_meetings_are_counted_at_every_shift():
    rng = np.random.default_rng(0)
    components, truth = rng.integers(0, 3, 17), rng.random((17, 2)) < 0.4
    counts = coincidences(components, truth, 3)
    for shift in range(17):
        moved = np.roll(truth, shift, axis=0)
        expected = [[(moved[components == k, e]).sum() for e in range(2)] for k in range(3)]
        np.testing.assert_array_equal(counts[shift], expected)


def test_mutual_information_of_known_tables():
    same = np.array([[50], [0]]), np.array([50, 50])
    assert mutual_information(*same) == pytest.approx(1.0)
    independent = np.array([[20], [30]]), np.array([40, 60])
    assert mutual_information(*independent) == pytest.approx(0.0, abs=1e-12)
    rng = np.random.default_rng(0)
    components = [rng.integers(0, 2, 300) for _ in range(4)]
    classes = [{"a": c == 0, "b": c == 1} for c in components]
    found = classes_information(components, classes, 2, shifts=100)
    assert found["nmi"] == pytest.approx(1.0)
    assert found["p"] == pytest.approx(1 / 101)
    assert found["nmi_null"] < 0.1


def test_holm():
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.5]), np.array([True, True, True, False]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 1.0])


def test_mann_whitney():
    """Against exact numbers by hand: 1, 2, 3 against 4, 5, 6 has U = 0, z = -4 / sqrt(5.25)."""
    assert mann_whitney(np.array([1, 2, 3]), np.array([4, 5, 6])) == pytest.approx(0.0809, abs=1e-3)
    assert mann_whitney(np.ones(4), np.ones(5)) == 1.0
