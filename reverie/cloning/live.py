"""A clone at play in a window of the screen at the rate of its recordings; a person comes first."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError
from reverie.cloning.agents import Clone, ClonedAgents
from reverie.cloning.films import Footage
from reverie.games.keyboard import Keyboard, key_names
from reverie.games.screen import Screen
from reverie.games.ticks import SECOND
from reverie.stage import progress, stop_signal

HANDS_OFF = 1.0  # seconds from a person's last key until the clone plays again
NOBODY = -1  # in place of a class that was played


@dataclass(frozen=True)
class LiveOptions:
    """How a clone plays.

    Attributes:
        steps: how many, at most.
        lag: milliseconds from a decision to its keys.
        emergency_key: ends everything.
        seed: decides what is drawn.
    """

    steps: int
    lag: float = 0.0
    emergency_key: str = "escape"
    seed: int = 0


@dataclass(frozen=True)
class LiveReport:
    """How it went.

    Attributes:
        steps: that were played.
        seconds: that they took.
        missed: ticks that came too late to be played.
        latencies: milliseconds from the begin of each grab to the sent keys, without the lag.
        taken_over: times that a person took over.
        stopped: whether the emergency key ended it.
    """

    steps: int
    seconds: float
    missed: int
    latencies: np.ndarray
    taken_over: int
    stopped: bool

    def describe(self) -> str:
        """Return the numbers in a few lines."""
        rate = self.steps / max(self.seconds, 1e-9)
        lines = [f"{self.steps} steps at {rate:.1f} a second, {self.missed} ticks missed"]
        if len(self.latencies):
            median, high = np.percentile(self.latencies, [50, 99])
            lines.append(f"from grab to keys: median {median:.1f} ms, 99 % {high:.1f} ms")
        if self.taken_over:
            lines.append(f"a person took over {self.taken_over} times")
        return "\n".join([*lines, *(["stopped by the emergency key"] if self.stopped else [])])


class LivePlayer:
    """One clone and the window that it plays in.

    Any key that it does not hold itself is a person's: its own are released at once, and it plays
    again a second after the person's last one. It sees all that happens meanwhile.

    Args:
        game: the window.
        agents: one agent.
        options: how it plays.

    Attributes:
        footage: what it saw and how likely each action was.

    Raises:
        InputError: the emergency key is unknown, or one that plays.
    """

    def __init__(self, game: Screen, agents: ClonedAgents, options: LiveOptions) -> None:
        if options.emergency_key in game.keyboard.names:
            raise InputError(
                f"--emergency_key {options.emergency_key}: plays in this game; choose another key"
            )
        self.game, self.agents, self.options = game, agents, options
        self.emergency = Keyboard(game.aim.desktop, key_names(options.emergency_key))
        self.footage = Footage(agents.classes.names)
        self.stopped, self.taken_over, self._until = False, 0, 0.0
        self._latencies: list[float] = []

    def play(self) -> LiveReport:
        """Play until the steps are over, the emergency key is pressed, or a signal comes.

        Raises:
            InputError: the window is gone, or has lost the focus.
        """
        game, steps = self.game, 0
        frame, _ = game.reset()
        self.agents.act(frame[None])  # compiles
        self.agents.begin(0, self.options.seed)
        began = now = game.ticks.start()
        try:
            with progress(total=self.options.steps, desc="live") as bar:
                while steps < self.options.steps and not self._over():
                    self._step(now)
                    steps += 1
                    bar.update()
                    now = game.ticks.wait(self.watch)
        finally:
            game.keyboard.release()
        return LiveReport(
            steps,
            (now - began) / SECOND,
            game.ticks.missed,
            np.array(self._latencies),
            self.taken_over,
            self.stopped,
        )

    def watch(self) -> None:
        """Look for a person's keys; let go of everything if there are any."""
        if self.emergency.held()[0]:
            self.stopped = True
            self.game.keyboard.release()
        elif self.game.keyboard.others_held():
            if not self._person_plays():
                self.taken_over += 1
                self.game.keyboard.release()
            self._until = time.monotonic() + HANDS_OFF

    def _over(self) -> bool:
        return self.stopped or stop_signal.requested

    def _person_plays(self) -> bool:
        return time.monotonic() < self._until

    def _step(self, now: int) -> None:
        """Look, decide, and hold the keys of the decision unless a person plays."""
        aim = self.game.aim
        frame = aim.grab(self.agents.clone.frame_shape[0])
        action, lag = self.agents.act(frame[None])[0], self.options.lag / 1000.0
        if lag:
            time.sleep(lag)
        self.watch()
        played = not (self._over() or self._person_plays())
        if played:
            if not aim.has_focus():
                aim.check_there()
                raise InputError(
                    "the window has lost the focus: keys would go to another program; leave the "
                    "window in front and run the same command again"
                )
            self.game.keyboard.hold(self.game.held_by(action))
            self._latencies.append(1000.0 * ((time.monotonic_ns() - now) / SECOND - lag))
        chosen = self.agents.previous[0] if played else NOBODY
        self.footage.add(frame, self.agents.probabilities[0], chosen)


def play_live(
    game: Screen, clone: Clone, temperature: float, options: LiveOptions, film: Path
) -> None:
    """Let a clone play in a window, say how it went, film it, and close the game.

    Args:
        game: the window.
        clone: the player.
        temperature: see `ClonedAgents`.
        options: how it plays.
        film: what it did, an MP4.

    Raises:
        InputError: see `LivePlayer`. Stopped: a signal came.
    """
    player = LivePlayer(game, ClonedAgents(clone, 1, temperature), options)
    print(f"playing; {options.emergency_key} ends everything, any other key takes over")
    try:
        print(player.play().describe())
    finally:
        game.close()
        if player.footage.frames:
            player.footage.save(film, game.fps)
            print(f"film in {film}")
    stop_signal.check()
