"""A clone at play in a real window: its keys, its pace, and who comes first."""

import threading
import time

import numpy as np
import pytest
from helpers import load_script
from test_screen import KEYS, OPTIONS, display, needs_x, window  # noqa: F401

from reverie.cloning.agents import Clone, ClonedAgents
from reverie.cloning.live import LiveOptions, LivePlayer
from reverie.games import game_class, make_game
from reverie.games.actions import describe_space
from reverie.games.keyboard import Keyboard
from reverie.games.x11 import Desktop
from reverie.headers import Recorded, WeightsHeader
from reverie.models.gpt import VisualGPT
from reverie.training.weights import save_weights

CLASSES = [[0, 0, 0], [1, 0, 0], [0, 1, 1]]


def write_clone(path):
    """Write a clone that was never trained and holds the left key most of the time."""
    network = VisualGPT(3, channels=4, context=4, width=16, blocks=1, heads=2)
    network.head.bias.assign([0.0, 4.0, 0.0])
    space = describe_space(game_class("screen", OPTIONS).action_space)
    notes = {"classes": CLASSES, "class_names": ["none", "left", "right+space"]}
    notes |= {"counts": [1, 2, 1], "stay": 0.5}
    recorded = Recorded(("person",), (0,), (9,), OPTIONS)
    header = WeightsHeader("screen", 1, action_space=space, recorded=recorded, notes=notes)
    save_weights(path, network, header)
    return network, header


@pytest.fixture
def player(window, tmp_path):  # noqa: F811
    """Return a player in the painted window."""
    network, header = write_clone(tmp_path / "clone.h5")
    header = WeightsHeader(**vars(header) | {"network": "VisualGPT"})
    game = make_game("screen", **OPTIONS)
    agents = ClonedAgents(Clone(network, None, header), 1, temperature=0.0)
    yield LivePlayer(game, agents, LiveOptions(steps=60, emergency_key="f12"))
    game.close()


class Person(threading.Thread):
    """Presses a key for half a second after a while, and notes which keys are held meanwhile."""

    def __init__(self, key, player):
        super().__init__()
        self.key, self.player, self.held = key, player, []

    def run(self):
        desktop = Desktop()
        keyboard, playing = Keyboard(desktop, (self.key,)), Keyboard(desktop, KEYS)
        while len(self.player.footage.frames) < 8:
            time.sleep(0.01)
        before = playing.held()
        desktop.send({keyboard.keycodes[0]: True})
        time.sleep(0.25)
        self.held += [before, playing.held()]
        time.sleep(0.25)
        desktop.send({keyboard.keycodes[0]: False})
        desktop.keymap()
        desktop.close()


@needs_x
def test_a_clone_holds_keys_at_the_recorded_rate(player):
    report = player.play()
    assert report.steps == len(player.footage.frames) == 60
    assert report.steps + report.missed == pytest.approx(report.seconds * 20, abs=2)
    assert np.median(report.latencies) < 50
    assert set(player.footage.chosen) == {1}
    assert "ticks missed" in report.describe()
    assert not any(player.game.keyboard.held())


@needs_x
def test_a_person_takes_over_at_once_and_the_clone_goes_on_later(player):
    person = Person("x", player)
    person.start()
    report = player.play()
    person.join()
    assert person.held == [(True, False, False), (False, False, False)]
    assert report.taken_over == 1
    chosen = np.array(player.footage.chosen)
    assert (chosen == -1).sum() >= 15
    assert chosen[-1] == 1
    assert not report.stopped


@needs_x
def test_the_emergency_key_ends_everything(player):
    person = Person("f12", player)
    person.start()
    report = player.play()
    person.join()
    assert report.stopped
    assert report.steps < 40
    assert person.held[1] == (False, False, False)


@needs_x
def test_the_stage_plays_and_films(window, tmp_path, capsys):  # noqa: F811
    write_clone(tmp_path / "clone.h5")
    main = load_script("07_clone_behaviour.py").main
    flags = ["play", "--weights", str(tmp_path / "clone.h5"), "--steps", "20", "--lag", "5"]
    assert main([*flags, "--output", str(tmp_path / "clone.mp4")]) == 0
    said = capsys.readouterr().out
    assert "from grab to keys: median" in said
    assert (tmp_path / "clone.mp4").stat().st_size > 1000
    assert main([*flags, "--emergency_key", "left"]) == 2
    assert "plays in this game" in capsys.readouterr().err
    assert main([*flags, "--window", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
