"""Action spaces: what is recorded, what the networks see, and what the game is given."""

import json

import gymnasium
import numpy as np
import pytest

from reverie.artifacts import InputError
from reverie.games.actions import ActionCode, describe_space, space_of

spaces = gymnasium.spaces
SPACES = (
    spaces.Box(-1.0, 1.0, (1,)),
    spaces.Box(np.float32([-1, 0, 0]), np.float32([1, 1, 2])),
    spaces.Discrete(5),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 4, 3]),
    spaces.MultiBinary(3),
)
names = pytest.mark.parametrize("space", SPACES, ids=str)


@names
def test_codes_go_there_and_back(space):
    space.seed(0)
    actions = np.stack([space.sample() for _ in range(50)])
    code = ActionCode.from_space(space)
    codes = code.encode(actions)
    assert codes.shape == (50, code.size)
    assert codes.dtype == np.float32
    again = code.decode(codes)
    assert again.shape == actions.shape
    assert all(space.contains(action) for action in again)
    np.testing.assert_allclose(again, actions, atol=1e-6)
    windows = code.encode(np.stack([actions[:10], actions[10:20]]))
    np.testing.assert_array_equal(windows, codes[:20].reshape(2, 10, -1))


@names
def test_descriptions_go_there_and_back(space):
    description = json.loads(json.dumps(describe_space(space)))
    assert space_of(description) == space
    assert ActionCode.from_description(description) == ActionCode.from_space(space)
    assert ActionCode.from_space(ActionCode.from_space(space).space) == ActionCode.from_space(space)


def test_discrete_codes_are_one_hot_for_each_number():
    code = ActionCode.from_space(spaces.MultiDiscrete([2, 3]))
    np.testing.assert_array_equal(code.encode([[1, 0], [0, 2]]), [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]])


@names
def test_the_largest_output_is_chosen_in_tensors_as_in_numpy(space):
    code = ActionCode.from_space(space)
    outputs = np.tanh(np.random.default_rng(0).standard_normal((40, code.size))).astype(np.float32)
    codes = np.asarray(code.choose(outputs))
    np.testing.assert_allclose(code.encode(code.decode(outputs)), codes, atol=1e-6)
    if code.choices:
        assert set(np.unique(codes)) == {0.0, 1.0}
        assert (codes.sum(axis=1) == len(code.choices)).all()


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (2,)),
        spaces.Box(0.0, 1.0, (2, 2)),
        spaces.MultiBinary((2, 3)),
        spaces.Dict({"a": spaces.Discrete(2)}),
        spaces.MultiDiscrete(np.array([[2, 2], [3, 3]])),
    ],
    ids=str,
)
def test_other_spaces_are_refused(space):
    with pytest.raises(InputError, match="is not supported"):
        ActionCode.from_space(space)
