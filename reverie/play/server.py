"""The server of `reverie.play`: the page, a socket for each tab, and nothing for strangers.

It owns the rooms. It answers this machine alone: other hosts cannot reach its address, pages of
other origins are refused, and so are names that only resolve to this machine.
"""

import asyncio
import contextlib
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from reverie.artifacts import InputError
from reverie.play.messages import LARGEST, Bye, MessageError, parse
from reverie.play.room import Room, Tab
from reverie.play.session import Session
from reverie.play.setting import Setting

PAGE = Path(__file__).with_name("page.html")
LOCAL = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
GRACE = 20.0  # seconds that a room waits for a tab that has lost its connection
MOST = 8  # rooms at a time


class Server:
    """All rooms of one setting.

    Args:
        setting: what is played.
        seed: of the first room; each has the next.
        grace: seconds that a room waits for a lost tab.
    """

    def __init__(self, setting: Setting, seed: int, grace: float = GRACE) -> None:
        self.setting, self.seed, self.grace = setting, seed, grace
        self.rooms: dict[str, Room] = {}
        self._waiting: set[asyncio.Task] = set()

    def application(self) -> web.Application:
        """Return the application that answers requests."""
        application = web.Application(middlewares=[_refuse_strangers])
        application.router.add_get("/", self._page)
        application.router.add_get("/socket", self._socket)
        application.on_shutdown.append(self._close)
        return application

    async def _close(self, _: web.Application) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*map(self._free, list(self.rooms.values())))

    async def _page(self, _: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        headers |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        return web.Response(text=PAGE.read_text(), content_type="text/html", headers=headers)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=15.0, max_msg_size=LARGEST, compress=False)
        await socket.prepare(request)
        try:
            room, plays = await self._enter(request.query)
        except (InputError, MessageError, RuntimeError) as error:
            await socket.send_json({"type": "refused", "text": str(error)})
            await socket.close()
            return socket
        tab = Tab(socket, plays)
        room.tabs.add(tab)
        tab.tell("hello", **self._hello(room, plays), **room.state())
        sender = asyncio.create_task(room.serve(tab))
        try:
            left = await self._listen(room, tab)
        finally:
            sender.cancel()
            room.tabs.discard(tab)
        await self._leave(room, tab, left)
        return socket

    async def _enter(self, query: dict) -> tuple[Room, bool]:
        """Return the room that a tab asks for, and whether it plays there."""
        if name := query.get("watch"):
            if name not in self.rooms:
                raise MessageError("the tab that you wanted to watch is closed")
            return self.rooms[name], False
        room = self.rooms.get(query.get("room", ""))
        if room and not any(tab.plays for tab in room.tabs):
            return room, True
        if len(self.rooms) >= MOST:
            raise MessageError(f"{MOST} tabs play already; close one")
        return await self._open(), True

    async def _open(self) -> Room:
        seed, self.seed = self.seed, self.seed + 1
        setting = self.setting
        room = Room(secrets.token_urlsafe(8), lambda: Session(setting, seed), setting.fps)
        self.rooms[room.name] = room
        try:
            await room.open()
        except BaseException:
            await self._free(room)
            raise
        return room

    async def _listen(self, room: Room, tab: Tab) -> bool:
        """Answer a tab until it is gone; return whether it has said goodbye."""
        async for incoming in tab.socket:
            if incoming.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            try:
                message = parse(incoming.data)
                if isinstance(message, Bye):
                    return True
                await room.answer(tab, message)
            except (MessageError, InputError, RuntimeError, OSError) as error:
                tab.tell("error", text=str(error))
        return False

    async def _leave(self, room: Room, tab: Tab, said_goodbye: bool) -> None:
        """Free the room of a tab that played; wait for it if only its connection is lost."""
        if not tab.plays:
            return
        room.running = False
        room.session.hold(frozenset())
        if said_goodbye:
            await self._free(room)
            return
        task = asyncio.create_task(self._free_later(room))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _free_later(self, room: Room) -> None:
        await asyncio.sleep(self.grace)
        if not any(tab.plays for tab in room.tabs):
            await self._free(room)

    async def _free(self, room: Room) -> None:
        if self.rooms.pop(room.name, None):
            with contextlib.suppress(InputError, RuntimeError, OSError):  # the tab is gone
                await room.close()

    def _hello(self, room: Room, plays: bool) -> dict:
        """Return what a page must know to show itself."""
        return {"room": room.name, "plays": plays} | self.setting.about()


@web.middleware
async def _refuse_strangers(request: web.Request, handler: web.RequestHandler) -> web.Response:
    """Refuse names other than this machine's, and pages that came from elsewhere."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if urlsplit(f"//{host}").hostname not in LOCAL:
        raise web.HTTPForbidden(text="reverie.play answers this machine alone")
    if origin is not None and origin != f"http://{host}":
        raise web.HTTPForbidden(text="reverie.play answers its own page alone")
    return await handler(request)
