"""Types of flags and seeds of any size."""

import argparse
from dataclasses import dataclass

import pytest

from reverie import flags
from reverie.seeds import seed_31, seed_32


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (flags.positive_int, "1", 1),
        (flags.non_negative_int, "0", 0),
        (flags.int_from(-1), "-1", -1),
        (flags.int_from(2, 4), "4", 4),
        (flags.positive_float, "1e-9", 1e-9),
        (flags.non_negative_float, "0", 0.0),
        (flags.float_from(0.0, 1.0, above=True), "1", 1.0),
        (flags.learning_rate, "0.001", 0.001),
        (flags.share, "0/1", (0, 1)),
        (flags.share, "9/10", (9, 10)),
        (flags.json_object, '{"size": [1, 2.5e3]}', {"size": [1, 2500.0]}),
        (flags.seed, "12345678901234567890123", 12345678901234567890123),
    ],
)
def test_a_number_within_the_limits_is_taken(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((flags.positive_int, text) for text in ("0", "-1", "1.5", "nan", "", "two")),
        (flags.non_negative_int, "-1"),
        (flags.int_from(2, 4), "5"),
        *((flags.positive_float, text) for text in ("0", "-1", "nan", "inf", "", "two")),
        *((flags.non_negative_float, text) for text in ("-1e-9", "nan", "-inf")),
        *((flags.learning_rate, text) for text in ("nan", "0", "-1", "1e30", "inf")),
        *((flags.seed, text) for text in ("-1", "1.0", "nan")),
        *((flags.json_object, f'{{"size": {text}}}') for text in ("NaN", "-Infinity", "1e999", "")),
        (flags.json_object, "[" * 5000),
        *((flags.share, text) for text in ("2/2", "1", "/2", "-1/2", "0/0", "a/b")),
    ],
)
def test_a_number_outside_of_the_limits_is_refused(kind, text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no"):
        kind(text)


def test_a_refused_flag_ends_with_exit_code_2_and_says_which(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=flags.positive_int)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--epochs", "0"])
    assert stopped.value.code == 2
    assert "--epochs: '0' is no whole number of at least 1" in capsys.readouterr().err


def test_seeds_that_fit_stay_and_larger_ones_are_mixed():
    assert [seed_32(seed) for seed in (0, 7, 2**32 - 1)] == [0, 7, 2**32 - 1]
    large = [seed_32(seed) for seed in (2**32, 2**32 + 1, 12345678901234567890123)]
    assert len(set(large)) == 3
    assert all(0 <= seed < 2**32 for seed in large)
    with pytest.raises(ValueError, match="negative"):
        seed_32(-1)


@dataclass(frozen=True)
class Options:
    epochs: int
    patience: int | None = None
    arguments: str = ""


def test_options_take_the_flags_of_their_names():
    args = argparse.Namespace(epochs=3, patience=4, savefolder="run")
    assert flags.filled(Options, args, arguments="all") == Options(3, 4, "all")


def test_seeds_of_episodes_fit_signed_numbers_as_they_are():
    """Seeds of episodes lie below 2**31: the dreams that they decide stay what they were."""
    assert [seed_31(seed) for seed in (0, 2**30, 2**31 - 1)] == [0, 2**30, 2**31 - 1]
    large = [seed_31(seed) for seed in (2**31, 10**19, 10**19 + 1)]
    assert len(set(large)) == 3
    assert all(0 <= seed < 2**31 for seed in large)
