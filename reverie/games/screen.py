"""A window of the screen as a game: frames are what it shows, actions the keys that are held."""

from collections.abc import Sequence

import gymnasium
import numpy as np

from reverie.artifacts import InputError
from reverie.games.game import FRAME_SHAPE, Game, frame_space
from reverie.games.keyboard import Keyboard, key_names
from reverie.games.registered import see
from reverie.games.ticks import SECOND, Ticks
from reverie.games.x11 import GONE, Desktop, Region

FPS = 20
PERSON = "person"  # the policy of who plays without us
TIME_STEPS = 36_000  # half an hour at 20 frames a second


class Aim:
    """The part of the screen that is recorded, and the window that must have the focus.

    Args:
        desktop: where it is.
        window: name of the window; without one it is that under the middle of the region.
        region: `left,top,width,height` from the window's corner, without a window from that of the
            screen; without a region the whole window.

    Raises:
        InputError: there is no such window, or the region does not lie on the screen.
    """

    def __init__(self, desktop: Desktop, window: str, region: str) -> None:
        self.desktop, self._named = desktop, bool(window)
        asked = Region.parse(region) if region else None
        if window:
            self.window = desktop.find_window(window)
            place = desktop.place(self.window)
            self.region = asked or Region(0, 0, place.width, place.height)
        else:
            self.region = asked
            middle = asked.left + asked.width // 2, asked.top + asked.height // 2
            self._check(asked)
            self.window = desktop.window_at(*middle)
        self._check(self.on_screen())

    def on_screen(self) -> Region:
        """Return where on the screen the region is now.

        Raises:
            InputError: the window is gone.
        """
        if not self._named:
            return self.region
        try:
            corner = self.desktop.root.translate_coords(self.window, 0, 0)
        except GONE:
            self.desktop.gone(self.window)
        left, top = corner.x + self.region.left, corner.y + self.region.top
        return Region(left, top, self.region.width, self.region.height)

    def _check(self, place: Region) -> None:
        screen = self.desktop.size
        if not place.inside(screen):
            raise InputError(
                f"the region {place} does not lie on the screen of {screen.width}x{screen.height} "
                "pixels; move the window, or choose with --find_region"
            )

    def check_there(self) -> None:
        """Check that the window is there and on the screen.

        Raises:
            InputError: it is not.
        """
        self.desktop.place(self.window)
        self._check(self.on_screen())

    def has_focus(self) -> bool:
        """Tell whether what is typed goes to the window."""
        return self.desktop.has_focus(self.window)

    def give_focus(self) -> None:
        """Have the window get what is typed."""
        if self.window.id != self.desktop.root.id:
            self.desktop.give_focus(self.window)

    def grab(self, frame_size: int) -> np.ndarray:
        """Return what is there now as a frame `(frame_size, frame_size, 3)` uint8.

        Raises:
            InputError: the window is gone, or was moved off the screen.
        """
        place = self.on_screen()
        if self._named:
            self._check(place)
        return see(self.desktop.grab(place), frame_size)


def combinations_of(text: str, keys: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Read combinations of keys, e.g. `none,w,w+d`.

    Raises:
        InputError: one holds a key that is not among `keys`, or is there twice.
    """
    found = [() if part == "none" else tuple(part.split("+")) for part in text.split(",")]
    for held in found:
        if unknown := sorted(set(held) - set(keys)):
            raise InputError(f"--combinations {text}: {unknown[0]!r} is not among the --keys")
    if len({frozenset(held) for held in found}) < len(found):
        raise InputError(f"--combinations {text}: one is there twice")
    return tuple(found)


def combination_name(held: Sequence[str]) -> str:
    """Return the name of keys that are held together."""
    return "+".join(held) or "none"


class Screen(Game):
    """Plays a game in somebody else's window: presses keys, waits for the next tick, looks.

    Keys are released when an episode ends, when the window loses the focus, and when this process
    ends, however it does. There are no rewards and no seeds: the game's own rules decide.

    Args:
        window: name of the window, see `Aim`.
        region: part of it.
        keys: names of the keys.
        fps: steps a second.
        combinations: sets of keys that are the choices of an action; without them an action says
            of each key whether it is held.
        action_delay: milliseconds; said of recordings alone.
        time_steps: steps after which an episode is truncated.
        frame_size: rows and columns of a frame.
    """

    env_id = "screen"
    version = "1"
    time_steps = TIME_STEPS
    fps = FPS
    policies = (PERSON,)
    choices: tuple[tuple[str, ...], ...] = ()

    def __init__(
        self,
        window: str = "",
        region: str = "",
        keys: str = "",
        fps: int = FPS,
        combinations: str = "",
        action_delay: int = 0,
        time_steps: int = TIME_STEPS,
        frame_size: int = FRAME_SHAPE[0],
    ) -> None:
        self.check({"window": window, "region": region, "keys": keys})
        desktop = Desktop()
        self.aim = Aim(desktop, window, region)
        self.keyboard = Keyboard(desktop, key_names(keys))
        self.ticks = Ticks(fps)
        self._limit, self._size = time_steps, frame_size
        self.observation_space = frame_space(frame_size)

    @classmethod
    def check(cls, options: dict) -> None:
        """Check that there is something to look at, and keys."""
        if not options["window"] and not options["region"]:
            raise InputError(
                "screen: say what to look at with --window NAME or --region L,T,W,H; find it with: "
                "python 01_generate_data.py screen --find_region"
            )
        if not options["keys"]:
            raise InputError("screen: say which keys play, e.g. --keys w,a,s,d,space")
        if options["region"]:
            Region.parse(options["region"])
        key_names(options["keys"])

    @classmethod
    def settled(cls, options: dict) -> dict:
        """Return options with the region that a window has now, which recordings hold."""
        desktop = Desktop()
        aim = Aim(desktop, options["window"], options["region"])
        desktop.close()
        return options | {"region": str(aim.region)}

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Begin an episode with the game as it stands; the window gets the focus."""
        super().reset(seed=seed)
        self.keyboard.release()
        self.aim.check_there()
        self.aim.give_focus()
        self._steps = 0
        self._began = self.ticks.start()
        return self._look(self._began)

    def step(self, action: np.ndarray) -> tuple:
        """Hold the keys of an action until the next tick.

        Raises:
            InputError: the window is gone, or has lost the focus.
        """
        try:
            self._check_focus()
            self.keyboard.hold(self.held_by(action))
            observation, info = self._look(self.ticks.wait())
        except BaseException:
            self.keyboard.release()
            raise
        self._steps += 1
        truncated = self._steps >= self._limit
        if truncated:
            self.keyboard.release()
        return observation, 0.0, False, truncated, info

    def _check_focus(self) -> None:
        if not self.aim.has_focus():
            self.aim.check_there()
            raise InputError(
                "the window has lost the focus: keys would go to another program; leave the "
                "window in front and run the same command again"
            )

    def held_by(self, action: np.ndarray) -> tuple[bool, ...]:
        """Return which keys an action holds."""
        if not self.choices:
            return tuple(bool(number) for number in action)
        return tuple(name in self.choices[int(action)] for name in self.keyboard.names)

    def _look(self, now: int) -> tuple[np.ndarray, dict]:
        time = np.float64((now - self._began) / SECOND)
        return self.aim.grab(self._size), {"time": time}

    def close(self) -> None:
        """Release the keys and end the connection."""
        self.keyboard.release()
        self.aim.desktop.close()


def environment(name: str, settings: dict | None = None) -> type[Screen]:
    """Return the class of a screen that is played with some keys.

    Args:
        name: the game's.
        settings: `keys`, `fps` and `combinations`, as far as they are known.

    Raises:
        InputError: a key is unknown.
    """
    settings = settings or {}
    if not settings.get("keys"):
        return Screen
    keys = key_names(settings["keys"])
    text = settings.get("combinations")
    choices = combinations_of(text, keys) if text else ()
    names = tuple(combination_name(held) for held in choices) or keys
    switches = gymnasium.spaces.MultiBinary(len(keys))
    values = {
        "action_space": gymnasium.spaces.Discrete(len(choices)) if choices else switches,
        "action_names": names,
        "choices": choices,
        "idle": (choices.index(()),) if () in choices else (0.0,) * (0 if choices else len(keys)),
        "fps": settings.get("fps") or FPS,
    }
    return type("Screen", (Screen,), values)
