"""A session: one game and its dream, played step by step. It knows nothing of pages and sockets.

All methods block and are called one at a time; a step takes a few milliseconds.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from reverie.play.draws import Draws
from reverie.play.game import PlayedGame
from reverie.play.messages import Knobs, MessageError
from reverie.play.recordings import Recordings
from reverie.play.setting import CLONE, CONTROLLER, PERSON, Setting
from reverie.play.timeline import (
    DreamMoment,
    GameMoment,
    Moment,
    decode_picture,
    encode_picture,
)
from reverie.rollouts.policies import chooser

STREAMS = {"dream": 1, "game": 2}  # of random numbers


class Session:
    """A game and its dream.

    Args:
        setting: what is played.
        seed: of the first episode; the next ones follow it.
        view: see `Setting.views`; the first of them by default.
    """

    def __init__(self, setting: Setting, seed: int, view: str | None = None) -> None:
        self.setting, self.view = setting, view or setting.views[0]
        self.keys, self.knobs, self.player = setting.keys, setting.knobs, PERSON
        self.held: frozenset[str] = frozenset()
        self.recordings = Recordings(setting)
        self.recording = False
        self._pressed: frozenset[str] = frozenset()
        self._game: PlayedGame | None = None
        self._frame: np.ndarray | None = None
        self._policy: tuple[str, Callable] | None = None
        self.moments: list[Moment] = []
        self.reset(seed)

    def hold(self, keys: frozenset[str]) -> None:
        """Say which keys are held; one that is let go before the next step counts once."""
        self._pressed |= keys - self.held
        self.held = keys

    @property
    def over(self) -> bool:
        """Whether nothing can go on."""
        last = self.moments[-1]
        return all(side.over for side in (last.game, last.dream) if side)

    def reset(self, seed: int) -> None:
        """Begin both sides anew from the same first frame."""
        if self.moments:
            self.keep()
        self.seed, self.branch, self.kept, self.dream_start = seed, 0, False, 0
        self._policy = None
        game = dream = None
        if self.view != "dream":
            self._frame = self._start_game().replay(seed, [])
            game = GameMoment(encode_picture(self._frame))
        if self.setting.dreamer:
            frame = self._frame if game else None
            state, picture = self.setting.dreamer.begin(frame, self._draws("game", 0))
            if game:
                game = GameMoment(game.picture, state=state)
            if self.view != "game":
                dream = DreamMoment(encode_picture(picture), state)
        self.moments = [Moment(game=game, dream=dream)]

    def _start_game(self) -> PlayedGame:
        if self._game is None:
            self._game = PlayedGame(self.setting.name, self.setting.options)
        return self._game

    def _draws(self, stream: str, step: int) -> Draws:
        """Return the random numbers of a step, 0 for the beginning."""
        return Draws(self.seed, STREAMS[stream], self.branch, step)

    def show(self, view: str) -> None:
        """Change what is shown, and begin anew with the same seed.

        Raises:
            MessageError: it cannot be shown here.
        """
        if view not in self.setting.views:
            raise MessageError(f"{view}: here one can play {', '.join(self.setting.views)}")
        self.keep()
        self.view, self.moments = view, []
        self.reset(self.seed)

    def choose(self, player: str) -> None:
        """Let somebody else play from here.

        Raises:
            MessageError: nobody of that name can play here.
        """
        if player not in self.setting.players:
            raise MessageError(f"{player}: here {', '.join(self.setting.players)} can play")
        if self.view == "dream" and self.setting.game and player in self.setting.game.policies:
            raise MessageError(f"{player} looks at the game's own truth; show the game as well")
        self.player = player

    def turn(self, knobs: Knobs) -> None:
        """Change how the dream goes on.

        Raises:
            MessageError: the mixture has no such component.
        """
        components = self.setting.dreamer.components if self.setting.dreamer else 0
        if knobs.component is not None and knobs.component >= components:
            raise MessageError(f"component {knobs.component}: the mixture has {components}")
        self.knobs = knobs

    def advance(self) -> bool:
        """Play one step; return False where nothing can go on."""
        if self.over:
            return False
        start, last = time.perf_counter(), self.moments[-1]
        action = self._action(last)
        self._pressed = frozenset()
        game = self._play(last, action)
        dream = self._dream(last, action)
        seconds = time.perf_counter() - start
        self.moments.append(Moment(action, self.player, game, dream, seconds))
        if self.over:
            self.keep()
        return True

    def _action(self, last: Moment) -> Any:
        """Ask who plays for an action."""
        if self.player == PERSON:
            return self.keys.action(self.held | self._pressed)
        playing = last.game if last.game and not last.game.over else last.dream
        if self.player == CONTROLLER:
            return self.setting.dreamer.act((playing or last.game).state)
        if self.setting.game and self.player in self.setting.game.policies:
            return self._game.suggest(self.player)
        return self._by_name(self.player)(len(self.moments) - 1, self._seen(last))

    def _by_name(self, player: str) -> Callable:
        if self._policy is None or self._policy[0] != player:
            setting = self.setting
            if player == CLONE:
                choose = setting.clone(self.seed)
            else:
                choose = chooser(player, self.seed, setting.time_steps, setting.code.space)
            self._policy = player, choose
        return self._policy[1]

    def _seen(self, last: Moment) -> np.ndarray:
        return self._frame if last.game else decode_picture(last.dream.picture)

    def _play(self, last: Moment, action: Any) -> GameMoment | None:
        if last.game is None or last.game.over:
            return last.game
        self._frame, reward, over = self._game.step(action)
        state = None
        if self.setting.dreamer:
            follow = self.setting.dreamer.follow
            state = follow(
                last.game.state, action, self._frame, self._draws("game", len(self.moments))
            )
        return GameMoment(encode_picture(self._frame), float(reward), bool(over), state)

    def _dream(self, last: Moment, action: Any) -> DreamMoment | None:
        if last.dream is None or last.dream.over:
            return last.dream
        draws = self._draws("dream", len(self.moments))
        dreamt = self.setting.dreamer.step(last.dream.state, action, self.knobs, draws)
        return DreamMoment(
            encode_picture(dreamt.frame),
            dreamt.state,
            dreamt.reward,
            dreamt.end,
            dreamt.ended or len(self.moments) >= self.setting.time_steps,
            dreamt.weights,
            dreamt.component,
            dreamt.seen,
        )

    def moment(self, number: int) -> Moment:
        """Return an earlier moment.

        Raises:
            MessageError: there is none.
        """
        if not 0 <= number < len(self.moments):
            raise MessageError(f"moment {number}: there are {len(self.moments)}")
        return self.moments[number]

    def go_back(self, number: int) -> str | None:
        """Go on from an earlier moment; the dream goes on otherwise than it did.

        Returns:
            What to tell the person: that the game, played again, came out differently.
        """
        moment = self.moment(number)
        del self.moments[number + 1 :]
        self.branch, self.kept = self.branch + 1, False
        self.dream_start = min(self.dream_start, number)
        if not moment.game or not self._game:
            return None
        actions = [
            m.action
            for m, before in zip(self.moments[1:], self.moments)
            if m.game is not before.game
        ]
        self._frame = self._game.replay(self.seed, actions)
        if np.array_equal(self._frame, decode_picture(moment.game.picture)):
            return None
        return "this game does not repeat itself: what it shows now differs from that moment"

    def follow(self) -> None:
        """Let the dream go on from what the game shows.

        Raises:
            MessageError: there is no game beside the dream.
        """
        last = self.moments[-1]
        if not (last.game and last.dream):
            raise MessageError("show game and dream for that")
        self.keep_dream()
        picture = encode_picture(self.setting.dreamer.picture(last.game.state))
        dream = DreamMoment(picture, last.game.state, over=last.game.over)
        self.moments[-1] = Moment(last.action, last.by, last.game, dream, last.seconds)
        self.dream_start = len(self.moments) - 1

    def record(self, on: bool) -> None:
        """Keep the episodes that are played, the present one from its beginning; or stop.

        Raises:
            MessageError: the game's package, which says what rollouts hold, is not installed.
        """
        if not self.setting.game:
            raise MessageError("recording needs the game's package; it is not installed here")
        if self.recording and not on:
            self.keep()
        self.recording = on
        if on and self.over:
            self.keep()
        elif on and self.kept:  # its beginning is written, and is written again with what follows
            self.go_back(len(self.moments) - 1)

    def keep(self) -> None:
        """Write what was played if it is being recorded; once an episode."""
        if not self.recording or self.kept or len(self.moments) < 2:
            return
        self.kept = True
        if self._game and self.moments[0].game:
            self._game.cut()
            self.recordings.keep_game(self._game.recorded, self.seed, self._who(0))
        self.keep_dream()

    def keep_dream(self) -> None:
        """Write the present dream if it is being recorded."""
        moments = self.moments[self.dream_start :]
        if self.recording and moments[-1].dream and len(moments) > 1:
            self.recordings.keep_dream(moments, self.seed, self._who(self.dream_start), self.knobs)

    def _who(self, start: int) -> str:
        return "+".join(dict.fromkeys(m.by for m in self.moments[start + 1 :]))

    def close(self) -> None:
        """Keep what is being recorded and end the game."""
        try:
            self.keep()
        finally:
            if self._game:
                self._game.close()
