"""A room: a session, the loop that plays it, and the tabs that look at it.

The session's methods block, so they run one at a time in a thread of the room's own. What a tab is
sent is decided here: it gets the newest picture whenever it has drawn those before, so a slow one
misses pictures and never lags behind.
"""

import asyncio
import json
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from reverie.artifacts import InputError
from reverie.play import messages
from reverie.play.messages import MessageError
from reverie.play.session import PERSON, Session

AHEAD = 2  # pictures that may be under way to a tab
SOON = 1 / 60  # seconds between two steps at least, where a key hurries the next one
ROWS = 2000  # moments told in one message at most
SIDES = ("game", "dream")


class Tab:
    """A page that looks at a room.

    Args:
        socket: its connection.
        plays: whether it may also press keys; the others watch.
    """

    def __init__(self, socket: web.WebSocketResponse, plays: bool) -> None:
        self.socket, self.plays = socket, plays
        self.known = 0  # rows of the timeline that it has been told
        self.under_way = 0
        self.texts: list[str] = []
        self.looked: list[int] = []
        self.news = asyncio.Event()

    def tell(self, kind: str, **values: Any) -> None:
        """Send a text when its turn comes."""
        self.texts.append(json.dumps({"type": kind} | values))
        self.news.set()


class Room:
    """A session with its loop and its tabs.

    Args:
        name: by which other tabs find it.
        session: what is played; handed over.
        fps: steps a second at speed 1.
    """

    def __init__(self, name: str, make_session: Callable[[], Session], fps: float) -> None:
        self.name, self.fps, self.tabs = name, fps, set[Tab]()
        self.running, self.speed, self.notice = False, 1.0, ""
        self.waiting = True  # for the person's first key
        self._make_session = make_session
        self.session: Session | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._hurry = asyncio.Event()
        self._loop: asyncio.Task | None = None

    async def open(self) -> None:
        """Start the session and its loop."""
        self.session = await self._in_thread(self._make_session)
        self._loop = asyncio.create_task(self._play())

    async def _in_thread(self, function: Callable, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def close(self) -> None:
        """Stop playing, keep what is recorded, and free game and thread."""
        if self._loop:
            self._loop.cancel()
        if self.session:
            await self._in_thread(self.session.close)
        self._thread.shutdown(wait=False)
        for tab in list(self.tabs):
            await tab.socket.close()

    async def _play(self) -> None:
        """Play on for as long as the room is open."""
        due = time.perf_counter()
        while True:
            if not self.running:
                await self._wait(None)
                due = time.perf_counter()
                continue
            await self._advance()
            period = 1 / (self.fps * self.speed) if self.speed else 0.0
            began, due = due, max(due + period, time.perf_counter() - period)
            await self._wait(due - time.perf_counter(), began + SOON - time.perf_counter())

    async def _wait(self, seconds: float | None, least: float = 0.0) -> None:
        """Wait, but no longer than until a key is pressed or the room is told to run."""
        await asyncio.sleep(max(least if seconds is None else min(least, seconds), 0.0))
        try:
            left = None if seconds is None else max(seconds - max(least, 0.0), 0.0)
            await asyncio.wait_for(self._hurry.wait(), left)
        except TimeoutError:
            pass
        self._hurry.clear()

    async def _advance(self) -> None:
        try:
            went_on = await self._in_thread(self.session.advance)
        except (InputError, RuntimeError, OSError) as error:
            went_on, self.notice = False, f"the game has stopped: {error}"
        if not went_on or self.session.over:
            self.running = False
            self.tell_state()
        self.wake()

    def wake(self) -> None:
        """Let every tab be sent what is new."""
        for tab in self.tabs:
            tab.news.set()

    def tell_state(self) -> None:
        """Tell every tab how things stand."""
        for tab in self.tabs:
            tab.tell("state", **self.state())

    def state(self) -> dict:
        """Return how things stand, for pages."""
        session = self.session
        return {
            "running": self.running,
            "waiting": self.waiting,
            "speed": self.speed,
            "seed": session.seed,
            "view": session.view,
            "player": session.player,
            "knobs": vars(session.knobs),
            "recording": session.recording,
            "kept": [str(path) for path in session.recordings.kept[-3:]],
            "count": len(session.recordings.kept),
            "over": session.over,
            "notice": self.notice,
        }

    async def answer(self, tab: Tab, message: Any) -> None:
        """Do what a tab asks for.

        Raises:
            MessageError: it cannot be done.
        """
        match message:
            case messages.Seen():
                tab.under_way = max(tab.under_way - 1, 0)
                tab.news.set()
                return
            case messages.Look(moment):
                self.session.moment(moment)
                tab.looked = [moment]
                tab.news.set()
                return
        if not tab.plays:
            raise MessageError("this tab watches; the one that plays has the keys")
        if isinstance(message, messages.Keys):
            self._hold(message)
            return
        self.notice = ""
        await self._change(message)
        self.tell_state()
        self.wake()

    def _hold(self, message: messages.Keys) -> None:
        held = frozenset(message.held)
        pressed = held - self.session.held
        self.session.hold(held)
        if pressed and self.waiting and not self.session.over:
            self._run(True)
            self.tell_state()
        if pressed:
            self._hurry.set()

    def _run(self, on: bool) -> None:
        self.running, self.waiting = on, False

    async def _change(self, message: Any) -> None:
        session = self.session
        match message:
            case messages.Run(on):
                self._run(on and not session.over)
            case messages.Step():
                self._run(False)
                await self._advance()
            case messages.Speed(factor):
                self.speed = factor
            case messages.Knobs():
                session.turn(message)
            case messages.Choose(player):
                session.choose(player)
                if self.waiting and player != PERSON:
                    self._run(True)
            case messages.Record(on):
                await self._in_thread(session.record, on)
            case messages.Follow():
                await self._in_thread(session.follow)
                self._forget(len(session.moments) - 1)
            case messages.Reset(seed):
                await self._in_thread(session.reset, session.seed + 1 if seed is None else seed)
                self._restart()
            case messages.View(view):
                await self._in_thread(session.show, view)
                self._restart()
            case messages.GoBack(moment):
                self.notice = await self._in_thread(session.go_back, moment) or ""
                self._forget(moment)
                self._begin()
        self._hurry.set()

    def _restart(self) -> None:
        self._forget(0)
        self._begin()

    def _begin(self) -> None:
        """Wait for a person's first key; let an agent play at once."""
        self.running = self.session.player != PERSON
        self.waiting = not self.running

    def _forget(self, moment: int) -> None:
        """Tell tabs this moment and all after it again."""
        for tab in self.tabs:
            tab.known = min(tab.known, moment)

    async def serve(self, tab: Tab) -> None:
        """Send a tab what is new until it is gone."""
        while True:
            await tab.news.wait()
            tab.news.clear()
            while tab.texts:
                await tab.socket.send_str(tab.texts.pop(0))
            if tab.looked:
                number = tab.looked.pop()
                await self._send(tab, "look", number, [])
            if tab.under_way < AHEAD and tab.known < len(self.session.moments):
                rows = self._rows(tab)
                start, tab.known = tab.known, tab.known + len(rows)
                tab.under_way += 1
                await self._send(tab, "now", tab.known - 1, rows, start)
                if tab.known < len(self.session.moments):
                    tab.news.set()

    def _rows(self, tab: Tab) -> list[dict]:
        moments = self.session.moments
        numbers = range(tab.known, min(len(moments), tab.known + ROWS))
        return [moments[n].row(moments[n - 1] if n else None) for n in numbers]

    async def _send(
        self, tab: Tab, kind: str, number: int, rows: list[dict], start: int = 0
    ) -> None:
        """Send the pictures of a moment: length of the header, header as JSON, PNG files."""
        moment = self.session.moments[min(number, len(self.session.moments) - 1)]
        pictures = {name: getattr(moment, name) for name in SIDES}
        pictures = {name: side.picture for name, side in pictures.items() if side}
        header = {"type": kind, "moment": number, "start": start, "rows": rows}
        header["pictures"] = {name: len(picture) for name, picture in pictures.items()}
        text = json.dumps(header).encode()
        body = b"".join([struct.pack("<I", len(text)), text, *pictures.values()])
        await tab.socket.send_bytes(body)
