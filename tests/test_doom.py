"""Doom itself: what the frames show, what the actions do, and what the ground truth says."""

import numpy as np
import pytest

from reverie.games.doom import FIREBALL, MONSTER, TakeCover

STEPS = 40
TOGETHER = 16  # states that the game looks at one after the other


@pytest.fixture(scope="module")
def game():
    game = TakeCover(difficulty=4, time_steps=700)
    yield game
    game.close()


def play(game, actions, seed=3):
    """Play until the actions or the episode end; return frames, infos and how it ended."""
    frame, info = game.reset(seed=seed)
    frames, infos, ends = [frame], [info], []
    for action in actions:
        frame, reward, terminated, truncated, info = game.step(np.array([action], np.float32))
        frames.append(frame)
        infos.append(info)
        ends.append((reward, terminated, truncated))
        if terminated or truncated:
            break
    return np.stack(frames), infos, ends


@pytest.fixture(scope="module")
def lifetime(game):
    """Return an episode in which the player stands still until it dies."""
    return play(game, np.zeros(700))


def test_frames_are_small_pictures_in_true_colours(game):
    frames, _, _ = play(game, np.zeros(STEPS))
    assert frames.shape == (STEPS + 1, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert game.observation_space.contains(frames[0])
    floor = frames[0, 45:].astype(float)
    assert np.abs(floor - floor.mean(axis=-1, keepdims=True)).mean() < 12  # grey
    assert 30 < floor.mean() < 130  # neither inverted nor stretched to the whole range
    assert frames.max() > 120


def test_one_game_looks_as_another(game):
    other = TakeCover(difficulty=4, time_steps=700)
    actions = np.random.default_rng(0).uniform(-1, 1, STEPS)
    frames, infos, _ = play(game, actions)
    again, infos_again, _ = play(other, actions)
    other.close()
    np.testing.assert_array_equal(frames, again)
    for one, two in zip(infos, infos_again):
        for key in one:
            np.testing.assert_array_equal(one[key], two[key])
    assert (play(game, actions, seed=4)[0] != frames).any()


def moved(game, action):
    _, infos, _ = play(game, np.full(15, action))
    return float(infos[-1]["position_y"] - infos[0]["position_y"])


def test_actions_move_beyond_a_third(game):
    left, right = moved(game, -1.0), moved(game, 1.0)
    assert left * right < 0
    assert abs(left) > 20
    assert abs(right) > 20
    assert moved(game, -0.34) == left
    assert moved(game, 0.34) == right
    for idle in (-0.33, 0.0, 0.33):
        assert moved(game, idle) == 0.0


def test_an_episode_is_truncated_when_time_is_up():
    game = TakeCover(difficulty=4, time_steps=5)
    frames, _, ends = play(game, np.zeros(20))
    assert len(frames) == 6
    assert [(terminated, truncated) for _, terminated, truncated in ends] == [
        *[(False, False)] * 4,
        (False, True),
    ]
    frames, _, ends = play(game, np.zeros(20))
    assert len(ends) == 5  # the clock starts anew
    game.close()


def test_it_ends_when_health_is_gone(lifetime):
    frames, infos, ends = lifetime
    assert ends[-1][1:] == (True, False)
    assert not any(terminated or truncated for _, terminated, truncated in ends[:-1])
    assert infos[0]["health"] == 100
    assert infos[-1]["health"] == 0
    assert all(info["health"] > 0 for info in infos[:-1])
    assert [reward for reward, *_ in ends] == [1.0] * len(ends)
    np.testing.assert_array_equal(frames[-1], frames[-2])  # no picture of the last tic


def test_damage_adds_up_to_lost_health(lifetime):
    _, infos, _ = lifetime
    assert infos[0]["damage"] == 0
    total = 0.0
    for info in infos:
        total += info["damage"]
        assert info["health"] == 100 - total


def test_ground_truth_has_the_same_keys_at_every_step(lifetime):
    _, infos, _ = lifetime
    kinds = {key: (np.asarray(v).dtype, np.shape(v)) for key, v in infos[0].items()}
    assert kinds == {
        "monsters": (np.int32, ()),
        "fireballs": (np.int32, ()),
        "health": (np.float32, ()),
        "damage": (np.float32, ()),
        "position_x": (np.float32, ()),
        "position_y": (np.float32, ()),
        "object_mask": (np.uint8, (64, 64)),
    }
    for info in infos:
        assert {key: (np.asarray(v).dtype, np.shape(v)) for key, v in info.items()} == kinds


def test_masks_show_what_is_counted(lifetime):
    _, infos, _ = lifetime
    for key, bit in (("monsters", MONSTER), ("fireballs", FIREBALL)):
        counted = np.array([info[key] for info in infos])
        pixels = np.array([(info["object_mask"] & bit != 0).sum() for info in infos])
        assert not pixels[counted == 0].any()
        assert counted.max() >= 1
        assert (pixels[counted > 0] > 0).mean() > 0.5  # the far ones are smaller than a pixel
    assert {int(v) for info in infos for v in np.unique(info["object_mask"])} <= {0, 1, 2, 3}


def test_masks_lie_where_the_frame_changes(lifetime):
    """Where a fireball is, the frame differs from how that place looks most of the time."""
    frames, infos, _ = lifetime
    usual = np.median(frames, axis=0)
    masks = np.stack([info["object_mask"] & FIREBALL for info in infos]).astype(bool)
    departure = np.abs(frames - usual).mean(axis=-1)
    assert departure[masks].mean() > 3 * departure[~masks].mean()


@pytest.mark.parametrize("length", [20, 700])
def test_played_through_is_as_step_by_step(length):
    """Cut off after 20 tics, between two looks at many states, and dead before 700."""
    game = TakeCover(difficulty=4, time_steps=length)
    actions = np.random.default_rng(0).uniform(-1, 1, (length, 1)).astype(np.float32)
    frames, infos, ends = play(game, actions[:, 0])
    episode = game.play_through(3, actions)
    game.close()
    assert len(ends) == length if length == 20 else len(ends) > 2 * TOGETHER
    np.testing.assert_array_equal(episode.observations, frames)
    np.testing.assert_array_equal(episode.actions, actions[: len(ends)])
    columns = (episode.rewards, episode.terminations, episode.truncations)
    for column, expected in zip(columns, zip(*ends)):
        np.testing.assert_array_equal(column, expected)
    for key, values in episode.infos.items():
        np.testing.assert_array_equal(values, [info[key] for info in infos])
        assert values.dtype == np.asarray(infos[0][key]).dtype
    assert episode.infos.keys() == infos[0].keys()
