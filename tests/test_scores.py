"""Summaries of scores: the interval covers the truth as often as it says."""

import numpy as np
import pytest

from reverie.reports.scores import bootstrap_interval, sentence, summary


def test_summary():
    result = summary([1, 2, 3, 10], limit=10)
    assert result["mean"] == 4
    assert result["median"] == 2.5
    assert result["std"] == pytest.approx(np.std([1, 2, 3, 10]))
    assert (result["episodes"], result["at_limit"]) == (4, 0.25)
    low, high = result["interval"]
    assert 1 <= low < 4 < high <= 10


def test_interval_is_that_of_the_normal_law_for_many_values():
    values = np.random.default_rng(0).normal(50, 10, 400)
    low, high = bootstrap_interval(values)
    error = values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert bootstrap_interval(values) == (low, high)


def test_interval_covers_the_truth_nearly_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_interval(rng.exponential(1.0, 40)) for _ in range(100)]
    assert 85 <= sum(low <= 1.0 <= high for low, high in intervals) <= 100


def test_equal_values_have_an_interval_of_no_width():
    assert bootstrap_interval([5, 5, 5]) == (5, 5)


def test_sentence():
    text = sentence(summary([2100, 2100, 300, 300], limit=2100))
    assert text.startswith("1200 ± 900 (n 4, 95 % interval ")
    assert text.endswith("median 1200, 50 % reach the limit)")
