"""CarRacing: drive round a new track each time; gymnasium's physics, drawn eight times as fast."""

import math
from typing import Any

import cv2
import gymnasium
import numpy as np
from gymnasium.envs.box2d import car_dynamics, car_racing

from reverie.games.game import FRAME_SHAPE, Game, frame_space

ROWS = 7 / 8  # of the picture: the article cuts the status bar off, 12 rows of 96
SIDES = {64: 96, 96: 144, 128: 192}  # of the pictures that frames of these sizes are made from
FINENESS = 4  # pixels of the painted track to a unit of the world
SHIFT = 4  # bits below the pixel, for OpenCV's polygons
WORLD = 4 * math.ceil(FINENESS * car_racing.PLAYFIELD / 2)  # of the painted track
CAR = slice(64, 80), slice(40, 56)  # where a picture of 96x96 shows the car, always
LARGER = 4


class CarRacing(Game):
    """CarRacing-v3 seen in RGB without the status bar, as in the article.

    Frames of 64x64 are made from gymnasium's pictures of 96x96, larger ones from pictures that are
    as much larger.

    The action is three numbers in [-1, 1], which the article maps to gymnasium's: steering as it
    is, gas from -1 (none) to 1 (full), and brake, which a number below 0 leaves alone. An episode
    ends when the lap is complete or the car leaves the world.

    Args:
        renderer: `fast`, our own drawing, or `gymnasium`. Physics and rewards are the same to the
            bit.
        time_steps: steps after which an episode is truncated.
        render: show the game in a window.
        frame_size: rows and columns of a frame.
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
        self,
        renderer: str = "fast",
        time_steps: int = 1000,
        render: bool = False,
        frame_size: int = FRAME_SHAPE[0],
    ) -> None:
        drawn = {"fast": FastCarRacing, "gymnasium": SizedCarRacing}[renderer]
        self.env = drawn(SIDES[frame_size], render_mode="human" if render else None)
        self.observation_space = frame_space(frame_size)
        self._limit = time_steps

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Start an episode on a new track; the seed decides it."""
        super().reset(seed=seed)
        self._steps = 0
        state, _ = self.env.reset(
            seed=int(self.np_random.integers(2**31)) if seed is None else seed
        )
        return self._see(state), {}

    def step(self, action: np.ndarray) -> tuple:
        """Drive a fiftieth of a second."""
        steering, gas, brake = np.asarray(action, np.float32)
        controls = np.array([steering, (gas + 1.0) / 2.0, np.clip(brake, 0.0, 1.0)], np.float32)
        state, reward, terminated, _, _ = self.env.step(controls)
        self._steps += 1
        truncated = not terminated and self._steps >= self._limit
        return self._see(state), float(reward), terminated, truncated, {}

    def _see(self, state: np.ndarray) -> np.ndarray:
        """Cut the status bar off and resize to a frame."""
        world = np.ascontiguousarray(_above_the_bar(state))
        size = self.observation_space.shape[:2]
        return cv2.resize(world, size, interpolation=cv2.INTER_AREA)

    def close(self) -> None:
        """End the game."""
        self.env.close()


def environment(name: str) -> type[CarRacing]:
    """Return the class of a game of this family; there is one."""
    return CarRacing


def _above_the_bar(picture: np.ndarray) -> np.ndarray:
    return picture[: int(ROWS * len(picture))]


class SizedCarRacing(car_racing.CarRacing):
    """Gymnasium's environment whose pictures for agents have another size.

    Args:
        side: rows and columns of a picture; gymnasium's own have 96.
        options: what gymnasium's environment takes.
    """

    def __init__(self, side: int = car_racing.STATE_W, **options: Any) -> None:
        super().__init__(**options)
        self.side = side

    def _create_image_array(self, screen: Any, size: tuple[int, int]) -> np.ndarray:
        seen = size == (car_racing.STATE_W, car_racing.STATE_H)
        return super()._create_image_array(screen, (self.side, self.side) if seen else size)


class FastCarRacing(SizedCarRacing):
    """Gymnasium's environment with another hand for the pictures that agents see.

    The original draws some 700 polygons in Python for every frame. Here the track is painted once
    an episode into a large bitmap; a frame is one affine view of it with the car on top. The status
    bar stays black. Everything but `state_pixels` is gymnasium's.
    """

    bitmap: "_Bitmap | None" = None

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
            self.bitmap.paint(self._corners[index], self._shades[index])
        self._shown[changed] = self._shades[changed, 0]
        return self._view()

    def _paint(self) -> None:
        """Paint the track, and lay the shades of its tiles into one array to see them change."""
        if self.bitmap is None:
            self.bitmap = _Bitmap(self.bg_color, self.grass_color)
        self.bitmap.clear()
        self._shades = np.stack([tile.color for tile in self.road])
        self._corners, number = [], 0
        for index, (corners, colour) in enumerate(self.road_poly):
            if isinstance(colour, np.ndarray):  # a tile; kerbs never change
                self.road[number].color = colour = self._shades[number]
                self.road_poly[index] = corners, colour
                self._corners.append(corners)
                number += 1
            self.bitmap.paint(corners, colour)
        self._shown = self._shades[:, 0].copy()
        self._shape = _CarShape(self.car)
        self._painted = True

    def _view(self) -> np.ndarray:
        """Draw a picture `(side, side, 3)` uint8."""
        hull, scale = self.car.hull, car_racing.SCALE
        zoom = 0.1 * scale * max(1 - self.t, 0) + car_racing.ZOOM * scale * min(self.t, 1)
        to_picture = _camera(hull.position, hull.angle, zoom, self.side)
        state = np.zeros((self.side, self.side, 3), np.uint8)
        self.bitmap.view(to_picture, _above_the_bar(state))
        self._shape.draw(state, to_picture)
        return state


def _camera(position: tuple, angle: float, zoom: float, side: int) -> np.ndarray:
    """Return the affine map `(2, 3)` from the world into a picture of `side` rows and columns."""
    across, down = side / car_racing.WINDOW_W, side / car_racing.WINDOW_H
    c, s = math.cos(-angle) * zoom, math.sin(-angle) * zoom
    x = car_racing.WINDOW_W / 2 - (c * position[0] - s * position[1])
    y = car_racing.WINDOW_H * 3 / 4 + (s * position[0] + c * position[1])
    return np.array([[across * c, -across * s, across * x], [-down * s, -down * c, down * y]])


class _Bitmap:
    """The world from above, painted finely and shown coarser than that, so that edges are smooth.

    It is kept halved once, which is what frames of 64x64 are made from, and halved further as long
    as the camera is high above the track. Pictures of twice their size show it as it is painted.

    Args:
        ground: colour of the ground.
        patches: colour of its brighter patches.
    """

    def __init__(self, ground: np.ndarray, patches: np.ndarray) -> None:
        self.pixels = np.zeros((WORLD, WORLD, 3), np.uint8)
        half, size = car_racing.PLAYFIELD, car_racing.GRASS_DIM
        self._fill([(-half, -half), (half, -half), (half, half), (-half, half)], ground)
        for x in np.arange(-20, 20, 2) * size:
            for y in np.arange(-20, 20, 2) * size:
                self._fill([(x, y), (x + size, y), (x + size, y + size), (x, y + size)], patches)
        self._meadow = self.pixels.copy()
        self._shown = [_halved(self.pixels)]
        self._meadow_shown = self._shown[0].copy()
        self._boxes: list[tuple[slice, slice]] = []

    def clear(self) -> None:
        """Take away all that was painted."""
        for box in self._boxes:
            self.pixels[_doubled(box)] = self._meadow[_doubled(box)]
            self._shown[0][box] = self._meadow_shown[box]
        self._boxes = []
        del self._shown[1:]

    def paint(self, corners: list, colour: np.ndarray) -> None:
        """Fill a polygon of the world."""
        points = self._fill(corners, colour)
        low = np.maximum(points.min(axis=0) // 2 - 1, 0)
        high = points.max(axis=0) // 2 + 2
        box = slice(low[1], high[1]), slice(low[0], high[0])
        self._shown[0][box] = _halved(self.pixels[_doubled(box)])
        self._boxes.append(box)

    def _fill(self, corners: list, colour: np.ndarray) -> np.ndarray:
        points = np.array(corners) * FINENESS + (WORLD / 2 - 0.5)
        fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(self.pixels, fixed, [_dimmed(c) for c in colour], shift=SHIFT)
        return points.astype(int)

    def view(self, to_picture: np.ndarray, picture: np.ndarray) -> None:
        """Show the world through a camera, from the halving that is just fine enough.

        Args:
            to_picture: `(2, 3)`, from the world to the picture.
            picture: `(rows, columns, 3)` uint8, drawn over.
        """
        to_world = cv2.invertAffineTransform(to_picture)
        fineness = FINENESS / 2
        spacing = math.hypot(*to_world[:, 1]) * fineness  # of the picture's rows, in our pixels
        level = max(math.floor(math.log2(spacing) + 0.5), -1)
        while len(self._shown) <= level:
            self._shown.append(_halved(self._shown[-1]))
        source = self.pixels if level < 0 else self._shown[level]
        # Pixel (0, 0) is centred half a pixel inside its bitmap, here and there.
        to_world[:, 2] += to_world[:, :2] @ (0.5, 0.5) + WORLD / FINENESS / 2
        to_world *= fineness / 2**level
        to_world[:, 2] -= 0.5
        size = picture.shape[1], picture.shape[0]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(source, to_world, size, picture, flags)


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

    def draw(self, state: np.ndarray, to_picture: np.ndarray) -> None:
        """Draw the car into a picture."""
        scale = len(state) / car_racing.STATE_H
        box = tuple(slice(int(scale * side.start), int(scale * side.stop)) for side in CAR)
        hidden = [
            points
            for number, points in self._treads.items()
            if not _place_tread(self._bodies[number].phase, self._vertices[points])
        ]
        points = self._points(to_picture, box)
        patch = state[box]
        large = patch.repeat(LARGER, axis=0).repeat(LARGER, axis=1)
        for part, colour in self._polygons:
            if part not in hidden:
                cv2.fillConvexPoly(large, points[part], colour, shift=SHIFT)
        state[box] = cv2.resize(large, patch.shape[1::-1], interpolation=cv2.INTER_AREA)

    def _points(self, to_picture: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """Return all vertices as OpenCV wants them on the enlarged patch."""
        (a, b, x), (c, d, y) = to_picture.tolist()
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
        places = np.einsum("vij,vj->vi", turn[:, :, :2], self._vertices) + turn[:, :, 2]
        pixels = (places - (box[1].start, box[0].start)) * LARGER - 0.5
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
