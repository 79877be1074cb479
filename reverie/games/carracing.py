"""CarRacing: drive round a new track each time; gymnasium's physics, drawn eight times as fast."""

import math

import cv2
import gymnasium
import numpy as np
from gymnasium.envs.box2d import car_dynamics, car_racing

from reverie.games.game import Game

ROWS = 84  # of 96: the article cuts the status bar off
FINENESS = 4  # pixels of the painted track to a unit of the world
SHIFT = 4  # bits below the pixel, for OpenCV's polygons
SIDE = 4 * math.ceil(FINENESS * car_racing.PLAYFIELD / 2)  # of the painted track
CAR = slice(64, 80), slice(40, 56)  # where the frame shows the car, always
LARGER = 4


class CarRacing(Game):
    """CarRacing-v3 seen as 64x64 RGB without the status bar, as in the article.

    The action is three numbers in [-1, 1], which the article maps to gymnasium's: steering as it
    is, gas from -1 (none) to 1 (full), and brake, which a number below 0 leaves alone. An episode
    ends when the lap is complete or the car leaves the world.

    Args:
        renderer: `fast`, our own drawing, or `gymnasium`. Physics and rewards are the same to the
            bit.
        time_steps: steps after which an episode is truncated.
        render: show the game in a window.
    """

    env_id = "CarRacing-v3"
    version = f"gymnasium {gymnasium.__version__}"
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_names = ("steer left|steer right", "gas", "brake")
    idle = (0.0, -1.0, -1.0)
    time_steps = 1000
    fps = car_racing.FPS
    windowed = True
    scored_with = {"renderer": "gymnasium"}

    def __init__(
        self, renderer: str = "fast", time_steps: int = 1000, render: bool = False
    ) -> None:
        drawn = {"fast": FastCarRacing, "gymnasium": car_racing.CarRacing}[renderer]
        self._env = drawn(render_mode="human" if render else None)
        self._limit = time_steps

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode on a new track; the seed decides it."""
        super().reset(seed=seed)
        self._steps = 0
        state, _ = self._env.reset(
            seed=int(self.np_random.integers(2**31)) if seed is None else seed
        )
        return _see(state), {}

    def step(self, action: np.ndarray) -> tuple:
        """Drive a fiftieth of a second."""
        steering, gas, brake = np.asarray(action, np.float32)
        controls = np.array([steering, (gas + 1.0) / 2.0, np.clip(brake, 0.0, 1.0)], np.float32)
        state, reward, terminated, _, _ = self._env.step(controls)
        self._steps += 1
        truncated = not terminated and self._steps >= self._limit
        return _see(state), float(reward), terminated, truncated, {}

    def close(self) -> None:
        """End the game."""
        self._env.close()


def environment(name: str) -> type[CarRacing]:
    """Return the class of a game of this family; there is one."""
    return CarRacing


def _see(state: np.ndarray) -> np.ndarray:
    """Cut the status bar off and resize to `(64, 64, 3)`."""
    return cv2.resize(np.ascontiguousarray(state[:ROWS]), (64, 64), interpolation=cv2.INTER_AREA)


class FastCarRacing(car_racing.CarRacing):
    """Gymnasium's environment with another hand for the pictures that agents see.

    The original draws some 700 polygons in Python for every frame. Here the track is painted once
    an episode into a large bitmap; a frame is one affine view of it with the car on top. The status
    bar stays black. Everything but `state_pixels` is gymnasium's.
    """

    _bitmap: "_Bitmap | None" = None

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode."""
        self._painted = False
        return super().reset(seed=seed, options=options)

    def _render(self, mode: str) -> np.ndarray | None:
        if mode != "state_pixels":
            return super()._render(mode)
        if not self._painted:
            self._paint()
        changed = np.flatnonzero(self._shades[:, 0] != self._shown)
        for index in changed:  # the car has touched them, and gymnasium gives them another shade
            self._bitmap.paint(self._corners[index], self._shades[index])
        self._shown[changed] = self._shades[changed, 0]
        return self._view()

    def _paint(self) -> None:
        """Paint the track, and lay the shades of its tiles into one array to see them change."""
        if self._bitmap is None:
            self._bitmap = _Bitmap(self.bg_color, self.grass_color)
        self._bitmap.clear()
        self._shades = np.stack([tile.color for tile in self.road])
        self._corners, number = [], 0
        for index, (corners, colour) in enumerate(self.road_poly):
            if isinstance(colour, np.ndarray):  # a tile; kerbs never change
                self.road[number].color = colour = self._shades[number]
                self.road_poly[index] = corners, colour
                self._corners.append(corners)
                number += 1
            self._bitmap.paint(corners, colour)
        self._shown = self._shades[:, 0].copy()
        self._shape = _CarShape(self.car)
        self._painted = True

    def _view(self) -> np.ndarray:
        """Draw the frame `(96, 96, 3)` uint8."""
        hull, scale = self.car.hull, car_racing.SCALE
        zoom = 0.1 * scale * max(1 - self.t, 0) + car_racing.ZOOM * scale * min(self.t, 1)
        to_frame = _camera(hull.position, hull.angle, zoom)
        state = np.zeros((car_racing.STATE_H, car_racing.STATE_W, 3), np.uint8)
        self._bitmap.view(to_frame, state[:ROWS])
        self._shape.draw(state, to_frame)
        return state


def _camera(position: tuple, angle: float, zoom: float) -> np.ndarray:
    """Return the affine map `(2, 3)` from the world into the frame of 96x96."""
    across = car_racing.STATE_W / car_racing.WINDOW_W
    down = car_racing.STATE_H / car_racing.WINDOW_H
    c, s = math.cos(-angle) * zoom, math.sin(-angle) * zoom
    x = car_racing.WINDOW_W / 2 - (c * position[0] - s * position[1])
    y = car_racing.WINDOW_H * 3 / 4 + (s * position[0] + c * position[1])
    return np.array([[across * c, -across * s, across * x], [-down * s, -down * c, down * y]])


class _Bitmap:
    """The world from above, painted finely and shown at half of that, so that edges are smooth.

    Args:
        ground: colour of the ground.
        patches: colour of its brighter patches.
    """

    def __init__(self, ground: np.ndarray, patches: np.ndarray) -> None:
        self._fine = np.zeros((SIDE, SIDE, 3), np.uint8)
        half, size = car_racing.PLAYFIELD, car_racing.GRASS_DIM
        self._fill([(-half, -half), (half, -half), (half, half), (-half, half)], ground)
        for x in np.arange(-20, 20, 2) * size:
            for y in np.arange(-20, 20, 2) * size:
                self._fill([(x, y), (x + size, y), (x + size, y + size), (x, y + size)], patches)
        self._meadow = self._fine.copy()
        self._shown = [_halved(self._fine)]
        self._meadow_shown = self._shown[0].copy()
        self._boxes: list[tuple[slice, slice]] = []

    def clear(self) -> None:
        """Take away all that was painted."""
        for box in self._boxes:
            self._fine[_doubled(box)] = self._meadow[_doubled(box)]
            self._shown[0][box] = self._meadow_shown[box]
        self._boxes = []
        del self._shown[1:]

    def paint(self, corners: list, colour: np.ndarray) -> None:
        """Fill a polygon of the world."""
        points = self._fill(corners, colour)
        low = np.maximum(points.min(axis=0) // 2 - 1, 0)
        high = points.max(axis=0) // 2 + 2
        box = slice(low[1], high[1]), slice(low[0], high[0])
        self._shown[0][box] = _halved(self._fine[_doubled(box)])
        self._boxes.append(box)

    def _fill(self, corners: list, colour: np.ndarray) -> np.ndarray:
        points = np.array(corners) * FINENESS + (SIDE / 2 - 0.5)
        fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(self._fine, fixed, [_dimmed(c) for c in colour], shift=SHIFT)
        return points.astype(int)

    def view(self, to_frame: np.ndarray, frame: np.ndarray) -> None:
        """Show the world through a camera, from the halving that is just fine enough.

        Args:
            to_frame: `(2, 3)`, from the world to the frame.
            frame: `(rows, columns, 3)` uint8, drawn over.
        """
        to_world = cv2.invertAffineTransform(to_frame)
        fineness = FINENESS / 2
        spacing = math.hypot(*to_world[:, 1]) * fineness  # of the frame's rows, in our pixels
        level = max(int(math.log2(spacing) + 0.5), 0)
        while len(self._shown) <= level:
            self._shown.append(_halved(self._shown[-1]))
        # Pixel (0, 0) is centred half a pixel inside its picture, here and there.
        to_world[:, 2] += to_world[:, :2] @ (0.5, 0.5) + SIDE / FINENESS / 2
        to_world *= fineness / 2**level
        to_world[:, 2] -= 0.5
        size = frame.shape[1], frame.shape[0]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(self._shown[level], to_world, size, frame, flags)


def _halved(picture: np.ndarray) -> np.ndarray:
    size = picture.shape[1] // 2, picture.shape[0] // 2
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _doubled(box: tuple[slice, slice]) -> tuple[slice, ...]:
    return tuple(slice(2 * side.start, 2 * side.stop) for side in box)


class _CarShape:
    """The car's polygons, drawn several times as large onto the few pixels that the car is on.

    Args:
        car: gymnasium's.
    """

    def __init__(self, car: car_dynamics.Car) -> None:
        self._bodies = car.drawlist
        polygons, owners = [], []
        self._polygons: list[tuple[slice, list[int]]] = []  # its points, and its colour
        self._treads: dict[int, slice] = {}
        for number, body in enumerate(self._bodies):
            shapes = [np.array(fixture.shape.vertices) for fixture in body.fixtures]
            colours = [[_dimmed(255 * value) for value in body.color]] * len(shapes)
            if body is not car.hull:  # of a wheel, the light part of its tread comes on top
                shapes.append(np.zeros((4, 2)))
                colours.append([_dimmed(value) for value in car_dynamics.WHEEL_WHITE])
            for shape, colour in zip(shapes, colours):
                points = slice(len(owners), len(owners) + len(shape))
                self._polygons.append((points, colour))
                owners += [number] * len(shape)
                polygons.append(shape)
            if body is not car.hull:
                self._treads[number] = points
        self._vertices, self._owners = np.concatenate(polygons), np.array(owners)

    def draw(self, state: np.ndarray, to_frame: np.ndarray) -> None:
        """Draw the car into `(96, 96, 3)`."""
        hidden = [
            points
            for number, points in self._treads.items()
            if not _place_tread(self._bodies[number].phase, self._vertices[points])
        ]
        points = self._points(to_frame)
        patch = state[CAR]
        large = patch.repeat(LARGER, axis=0).repeat(LARGER, axis=1)
        for part, colour in self._polygons:
            if part not in hidden:
                cv2.fillConvexPoly(large, points[part], colour, shift=SHIFT)
        state[CAR] = cv2.resize(large, patch.shape[1::-1], interpolation=cv2.INTER_AREA)

    def _points(self, to_frame: np.ndarray) -> np.ndarray:
        """Return all vertices as OpenCV wants them on the enlarged patch."""
        (a, b, x), (c, d, y) = to_frame.tolist()
        turns = []
        for body in self._bodies:
            cosine, sine, (u, v) = math.cos(body.angle), math.sin(body.angle), body.position
            turns.append(
                [
                    (a * cosine + b * sine, b * cosine - a * sine, a * u + b * v + x),
                    (c * cosine + d * sine, d * cosine - c * sine, c * u + d * v + y),
                ]
            )
        turn = np.array(turns)[self._owners]
        frame = np.einsum("vij,vj->vi", turn[:, :, :2], self._vertices) + turn[:, :, 2]
        pixels = (frame - (CAR[1].start, CAR[0].start)) * LARGER - 0.5
        return np.rint(pixels * (1 << SHIFT)).astype(np.int32)


def _dimmed(value: float) -> int:
    """Return a colour as the original shows it: its smooth scaling loses 2 of 255."""
    return max(int(value) - 2, 0)


def _place_tread(phase: float, corners: np.ndarray) -> bool:
    """Place the light part of a wheel's tread; return False while it is below."""
    sines = math.sin(phase), math.sin(phase + 1.2)
    if min(sines) > 0:
        return False
    cosines = math.cos(phase), math.cos(phase + 1.2)
    ends = [math.copysign(1.0, c) if s > 0 else c for s, c in zip(sines, cosines)]
    width = car_dynamics.WHEEL_W * car_dynamics.SIZE
    first, second = (end * car_dynamics.WHEEL_R * car_dynamics.SIZE for end in ends)
    corners[:] = (-width, first), (width, first), (width, second), (-width, second)
    return True
