"""What is behind the page: keys, messages, sessions, recordings, and who is let in."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp
import gymnasium
import numpy as np
import pytest
from aiohttp import web
from helpers import ROOT, load_script, write_batch

from reverie.artifacts import InputError
from reverie.games import game_class
from reverie.games.actions import ActionCode
from reverie.headers import RolloutsHeader, open_header
from reverie.play import messages
from reverie.play.__main__ import check_clone, load_cloned
from reverie.play.keys import key_map
from reverie.play.messages import Knobs, MessageError, parse
from reverie.play.run_folder import find_files
from reverie.play.session import Session
from reverie.play.setting import Setting
from reverie.play.timeline import decode_picture, encode_picture
from reverie.rollouts.frames import FrameStream
from reverie.rollouts.storage import find_batches, iterate_episodes
from reverie.runs import PRETRAINED


def keys_of(name):
    game = game_class(name)
    return key_map(ActionCode.from_space(game.action_space), game.action_names, game.idle)


@pytest.mark.parametrize(
    ("game", "held", "action"),
    [
        ("doomrnn", (), [0.0]),
        ("doomrnn", ("ArrowLeft",), [-1.0]),
        ("doomrnn", ("ArrowLeft", "ArrowRight"), [0.0]),
        ("carracing", (), [0.0, -1.0, -1.0]),
        ("carracing", ("ArrowUp", "ArrowRight"), [1.0, 1.0, -1.0]),
        ("crafter", (), 0),
        ("crafter", ("Space",), 5),
        ("heist", (), 4),
        ("heist", ("ArrowLeft",), 1),
        ("heist", ("ArrowLeft", "ArrowUp"), 2),
        ("enduro", ("ArrowDown", "ArrowRight"), 5),
    ],
)
def test_held_keys_are_actions(game, held, action):
    np.testing.assert_array_equal(keys_of(game).action(frozenset(held)), action)


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Box(-2.0, 5.0, (5,)),
        gymnasium.spaces.Discrete(12, start=3),
        gymnasium.spaces.MultiDiscrete([3, 2, 3, 4]),
        gymnasium.spaces.MultiBinary(5),
    ],
)
def test_any_space_has_keys(space):
    keys = key_map(ActionCode.from_space(space))
    assert space.contains(keys.action(frozenset()))
    single = [binding.keys for binding in keys.bindings]
    assert len(set(single)) == len(single), "one key does two things"
    for binding in keys.bindings:
        action = keys.action(frozenset(binding.keys))
        assert space.contains(action)
        assert np.ravel(action)[binding.index] == binding.value


def test_messages_are_parsed_into_types():
    assert parse('{"type": "keys", "held": ["Space"]}') == messages.Keys(("Space",))
    assert parse('{"type": "knobs", "temperature": 1, "spread": null}') == Knobs(1.0)
    assert parse('{"type": "reset"}') == messages.Reset(None)
    assert parse('{"type": "run", "on": false}') == messages.Run(False)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"type": "shutdown"}',
        '{"type": "run"}',
        '{"type": "run", "on": 1}',
        '{"type": "run", "on": true, "now": 1}',
        '{"type": "knobs", "temperature": NaN}',
        '{"type": "knobs", "temperature": 0}',
        '{"type": "knobs", "component": -1}',
        '{"type": "reset", "seed": -1}',
        '{"type": "keys", "held": [1]}',
        '{"type": "keys", "held": ' + json.dumps(["Space"] * 40) + "}",
        '{"type": "view", "show": "everything"}',
        '{"type": "speed", "factor": 3}',
        b"binary",
        "x" * (messages.LARGEST + 1),
    ],
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(MessageError):
        parse(text)


@pytest.fixture(scope="module")
def dreamer():
    from reverie.play.dreamer import Dreamer

    return Dreamer(find_files(PRETRAINED, "doomrnn"))


@pytest.fixture
def setting(dreamer, tmp_path):
    return Setting(
        name="doomrnn",
        game=game_class("doomrnn"),
        options={"difficulty": 4, "time_steps": 60},
        code=dreamer.code,
        dreamer=dreamer,
        knobs=Knobs(),
        record_folder=tmp_path / "played",
        time_steps=60,
    )


@pytest.fixture
def session(setting):
    session = Session(setting, seed=3)
    yield session
    session.close()


def pictures(session, side):
    return [getattr(moment, side).picture for moment in session.moments]


def test_game_and_dream_begin_with_the_same_frame_and_follow_the_same_keys(session, dreamer):
    first = session.moments[0]
    frame = decode_picture(first.game.picture)
    mu = np.asarray(dreamer.vae.encode(frame[None])[0])[0]
    assert np.abs(first.dream.state["z"][0] - mu).mean() < 0.5
    session.hold(frozenset({"ArrowRight"}))
    for _ in range(30):
        session.advance()
    assert all(moment.action == 1.0 for moment in session.moments[1:])
    assert len(set(pictures(session, "game"))) > 5
    assert len(set(pictures(session, "dream"))) > 5


def test_the_same_seed_and_keys_play_the_same(setting):
    played = []
    for _ in range(2):
        session = Session(setting, seed=5)
        session.hold(frozenset({"ArrowLeft"}))
        for _ in range(8):
            session.advance()
        played.append((pictures(session, "game"), pictures(session, "dream")))
        session.close()
    assert played[0] == played[1]


@pytest.mark.parametrize("view", ["both", "dream"])
def test_the_same_seed_again_in_a_session_dreams_the_same(session, view):
    session.show(view)
    dreams = []
    for steps in (3, 5):
        session.reset(3)
        for _ in range(steps):
            session.advance()
        dreams.append(pictures(session, "dream"))
    assert dreams[0] == dreams[1][:4]


def test_a_key_that_is_let_go_before_the_step_counts_once(session):
    session.hold(frozenset({"ArrowLeft"}))
    session.hold(frozenset())
    session.advance()
    session.advance()
    assert [m.action[0] for m in session.moments[1:]] == [-1.0, 0.0]


def test_going_back_plays_the_game_again_and_dreams_otherwise(session):
    for step in range(20):
        session.hold(frozenset({"ArrowLeft"} if step % 2 else {"ArrowRight"}))
        session.advance()
    before = list(session.moments)
    assert session.go_back(12) is None
    assert len(session.moments) == 13
    for step in range(12, 20):
        session.hold(frozenset({"ArrowLeft"} if step % 2 else {"ArrowRight"}))
        session.advance()
    assert pictures(session, "game") == [moment.game.picture for moment in before]
    assert session.moments[13].dream.picture != before[13].dream.picture
    with pytest.raises(MessageError):
        session.go_back(99)


def test_knobs_act(session):
    session.turn(Knobs(component=2, endless=True))
    for _ in range(10):
        session.advance()
    assert {moment.dream.component for moment in session.moments[1:]} == {2}
    session.turn(Knobs(temperature=0.05, spread=0.0, endless=True))
    session.go_back(0)
    session.advance()
    calm = session.moments[1].dream.picture
    session.go_back(0)  # other noise, which nothing depends on now but the most likely component
    session.advance()
    assert session.moments[1].dream.picture == calm
    with pytest.raises(MessageError, match="has 5"):
        session.turn(Knobs(component=5))


def test_the_dream_can_go_on_from_the_game(session):
    for _ in range(10):
        session.advance()
    session.follow()
    moment = session.moments[-1]
    assert moment.dream.state is moment.game.state
    assert session.advance()


def test_policies_play(session):
    for player in ("wandering", "random_networks"):
        session.choose(player)
        session.advance()
        assert session.moments[-1].by == player
    with pytest.raises(MessageError, match="nobody"):
        session.choose("nobody")


def test_a_clone_plays(setting, tmp_path):
    write_batch(tmp_path / "in", [30, 30, 30, 30])
    flags = ["--architecture", "visual", "--input_data_folder", tmp_path / "in", "--epochs", 1]
    flags += [
        "--environment_name",
        "doomrnn",
        "--savefolder",
        tmp_path,
        "--width",
        16,
        "--sequence_length",
        16,
    ]
    assert load_script("07_clone_behaviour.py").main(["train", *map(str, flags)]) == 0
    weights = tmp_path / "clone.h5"
    check_clone(weights, "doomrnn")
    with pytest.raises(InputError, match="plays doomrnn"):
        check_clone(weights, "carracing")
    with pytest.raises(InputError, match="sees frames"):
        load_cloned(weights, (96, 96, 3))
    clone = load_cloned(weights, (64, 64, 3))
    session = Session(Setting(**vars(setting) | {"clone": clone}), seed=3)
    assert "clone" in session.setting.players
    played = []
    for _ in range(2):
        session.reset(3)
        session.choose("clone")
        for _ in range(6):
            session.advance()
        assert {moment.by for moment in session.moments[1:]} == {"clone"}
        played.append([float(moment.action[0]) for moment in session.moments[1:]])
    session.close()
    assert played[0] == played[1]


def test_what_is_recorded_opens_as_rollouts(setting):
    session = Session(setting, seed=7)
    session.record(True)
    session.hold(frozenset({"ArrowRight"}))
    while session.advance():
        pass
    session.reset(8)
    for _ in range(5):
        session.advance()
    session.record(False)
    session.advance()
    session.close()
    folder = setting.record_folder
    for kind in ("game", "dream"):
        paths = find_batches(folder / kind, "doomrnn")
        assert len(paths) == 2
        assert open_header(paths[0], RolloutsHeader).policy == "person"
        episodes = [group["actions"][:] for *_, group in iterate_episodes(paths)]
        assert (episodes[0] == 1.0).all()
        assert len(episodes[1]) == 5
        ends = [
            group["truncations"][-1] | group["terminations"][-1]
            for *_, group in iterate_episodes(paths)
        ]
        assert all(ends)
        assert FrameStream(paths, [0, 1], 10).steps_per_epoch > 1
    for *_, group in iterate_episodes(find_batches(folder / "game", "doomrnn")):
        assert "infos/health" in group


def test_pictures_lose_nothing():
    frame = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    np.testing.assert_array_equal(decode_picture(encode_picture(frame)), frame)


@asynccontextmanager
async def served(setting, grace=5.0):
    from reverie.play.server import Server

    server = Server(setting, 0, grace)
    runner = web.AppRunner(server.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield server, client
    await runner.cleanup()


class Page:
    """What a page does: it greets, it draws, it says that it has drawn."""

    def __init__(self, socket):
        self.socket, self.rows, self.headers, self.state = socket, [], [], {}

    async def next(self, answer=True):
        message = await asyncio.wait_for(self.socket.receive(), 10)
        if message.type == aiohttp.WSMsgType.TEXT:
            self.state = json.loads(message.data)
            return self.state
        (size,) = struct.unpack_from("<I", message.data)
        header = json.loads(message.data[4 : 4 + size])
        if header["type"] == "now":
            self.rows[header["start"] :] = header["rows"]
            if answer:
                await self.send("seen")
        self.headers.append(header)
        return header

    async def until(self, condition, answer=True):
        while not condition(self):
            await self.next(answer)
        return self

    async def send(self, kind, **values):
        await self.socket.send_json({"type": kind} | values)


@asynccontextmanager
async def page(client, **query):
    async with client.ws_connect("/socket", params=query) as socket:
        page = Page(socket)
        hello = await page.next()
        page.hello = hello
        yield page


def alone(setting):
    """Return a setting of the dream alone, which starts at once."""
    return Setting(**vars(setting) | {"game": None, "time_steps": 5000})


def test_strangers_are_refused(setting):
    async def ask():
        async with served(alone(setting)) as (_, client):
            origin = str(client._base_url).rstrip("/")
            for headers, status in [
                ({}, 200),
                ({"Origin": origin}, 200),
                ({"Origin": "http://example.org"}, 403),
                ({"Origin": "null"}, 403),
                ({"Host": "example.org"}, 403),
                ({"Host": "example.org:80", "Origin": "http://example.org:80"}, 403),
                ({"Host": "localhost:9999"}, 200),  # through ssh
            ]:
                async with client.get("/", headers=headers) as response:
                    assert response.status == status, headers
                    if status == 200:
                        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect("/socket", headers={"Origin": "http://example.org"})

    asyncio.run(ask())


def test_keys_begin_the_game_and_a_second_tab_watches(setting):
    async def play():
        async with served(alone(setting)) as (server, client), page(client) as first:
            assert first.hello["waiting"]
            await first.send("knobs", endless=True)
            async with page(client, watch=first.hello["room"]) as second:
                await first.send("keys", held=["ArrowLeft"])
                await first.until(lambda p: len(p.rows) > 20)
                await second.until(lambda p: len(p.rows) > 20)
                assert first.rows[5]["action"] == second.rows[5]["action"] == [-1.0]
                await second.send("reset")
                while (await second.next())["type"] != "error":
                    pass
            assert len(server.rooms) == 1

    asyncio.run(play())


def test_tabs_play_at_once_each_its_own(setting):
    async def play():
        async with (
            served(alone(setting)) as (server, client),
            page(client) as first,
            page(client) as second,
        ):
            for tab, key in ((first, "ArrowLeft"), (second, "ArrowRight")):
                await tab.send("knobs", endless=True)
                await tab.send("keys", held=[key])
            for tab, action in ((first, -1.0), (second, 1.0)):
                await tab.until(lambda p: len(p.rows) > 20)
                assert {row["action"][0] for row in tab.rows[2:21]} == {action}
            seeds = {room.session.seed for room in server.rooms.values()}
            assert seeds == {0, 1}
            assert all(room.running for room in server.rooms.values())

    asyncio.run(play())


def test_a_slow_tab_misses_pictures_and_no_rows(setting):
    async def play():
        async with served(alone(setting)) as (server, client), page(client) as slow:
            await slow.send("knobs", endless=True)
            await slow.send("speed", factor=0)
            await slow.send("run", on=True)
            (room,) = server.rooms.values()
            while len(room.session.moments) < 300:  # nothing is answered meanwhile
                await asyncio.sleep(0.02)
            await slow.send("run", on=False)
            await slow.until(lambda p: len(p.headers) == 2, answer=False)  # what was under way
            await slow.send("seen")
            await slow.until(lambda p: len(p.rows) >= 300)
            assert len(slow.headers) < 10

    asyncio.run(play())


def test_a_lost_connection_is_taken_up_and_a_closed_tab_frees_all(setting):
    async def play():
        async with served(alone(setting), grace=0.3) as (server, client):
            async with page(client) as first:
                await first.send("knobs", endless=True)
                await first.send("run", on=True)
                await first.until(lambda p: len(p.rows) > 10)
                room = first.hello["room"]
            async with page(client, room=room) as again:
                assert again.hello["room"] == room
                await again.until(lambda p: len(p.rows) > 10)
                assert not again.hello["running"]
                await again.send("bye")
                await again.socket.receive()
            assert server.rooms == {}
            async with page(client):
                pass
            await asyncio.sleep(0.6)
            assert server.rooms == {}

    asyncio.run(play())


def run_play(*flags):
    return subprocess.run(
        [sys.executable, "-m", "reverie.play", *map(str, flags)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )


def test_bad_input_is_one_line(tmp_path):
    write_batch(tmp_path / "rollouts", [5])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flags, word in [
            (["--port", port], "taken"),
            ([tmp_path], "no dream in it"),
            ([tmp_path / "nowhere"], "no folder of that name"),
            (["dooomrnn"], "did you mean"),
            (
                [
                    "--vae_weights",
                    PRETRAINED / "carracing_vae.h5",
                    "--rnn_weights",
                    PRETRAINED / "doom_rnn_joint.h5",
                ],
                "not of 'carracing'",
            ),
            (["--controller", PRETRAINED / "carracing_controller.h5"], "other networks"),
        ]:
            result = run_play(*flags)
            assert result.returncode == 2, result
            assert word in result.stderr
            assert len(result.stderr.strip().splitlines()) == 1


def test_a_game_without_a_dream_is_played_alone(dreamer, tmp_path):
    game = game_class("heist")
    options = {"num_levels": 0, "start_level": 0, "distribution_mode": "easy", "time_steps": 20}
    code = ActionCode.from_space(game.action_space)
    session = Session(Setting("heist", game, options, code, None, Knobs(), tmp_path, 20), seed=0)
    session.record(True)
    session.hold(frozenset({"ArrowLeft", "ArrowUp"}))
    while session.advance():
        pass
    session.close()
    (path,) = find_batches(tmp_path / "game", "heist")
    assert session.setting.views == ("game",)
    (group,) = [group["actions"][:] for *_, group in iterate_episodes([path])]
    assert (group == 2).all()


def test_a_game_whose_process_dies_can_be_begun_anew(session):
    session.advance()
    for child in multiprocessing.active_children():
        os.killpg(child.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="begin a new episode"):
        session.advance()
    session.reset(4)
    assert session.advance()
