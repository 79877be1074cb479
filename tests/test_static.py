"""The dream as a page without a server: it dreams what the server's dream does, in a browser."""

import contextlib
import functools
import gzip
import http.server
import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT
from pages import PICTURE, Server, open_page, step, until, wait_for_step

from reverie.play.draws import Draws, threefry
from reverie.runs import PRETRAINED

NPM = pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here: apt-get install npm")
SHOWN = "rows.map(row => row.dream)"


def write(folder, *flags, code=0, **environment):
    """Run `python -m reverie.play --static` as a person does."""
    command = [sys.executable, "-m", "reverie.play", *map(str, flags), "--static", str(folder)]
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment
    )
    assert result.returncode == code, result.stderr
    return result


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_random_numbers_are_those_of_the_article(key, counter, words):
    """The known answers of Random123, the authors' own code."""
    assert threefry(key, np.array([counter], np.uint32))[0].tolist() == list(words)


def test_draws_have_their_distributions():
    draws = Draws(3)
    normal, gumbel, numbers = draws.standard_normal(9999), draws.gumbel(9999), draws.random(9999)
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    assert abs(gumbel.mean() - np.euler_gamma) < 0.05
    assert abs(numbers.mean() - 0.5) < 0.02
    assert set(draws.integers(4, 99)) == {0, 1, 2, 3}
    every = [Draws(*key).random() for key in [(3, 0, 0, 0), (3, 1), (3, 0, 1), (3, 0, 0, 1), (4,)]]
    assert len(set(map(float, every))) == 5


def test_what_is_missing_is_named(tmp_path):
    pytest.importorskip("tf2onnx", reason="no tf2onnx here: make static")
    bare = {"PATH": str(tmp_path), "KERAS_BACKEND": "tensorflow"}
    nothing = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_cache": str(tmp_path)}
    nothing["npm_config_fetch_retries"] = "0"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("<title>mine</title>")
    assert "another page" in write(tmp_path / "mine", code=2).stderr
    for flags, environment, words in [
        (["heist"], {}, "no dream of heist"),
        ([], {"KERAS_BACKEND": "jax"}, "without KERAS_BACKEND=jax"),
        ([], bare, "npm is not installed"),
        *([([], nothing, "npm cannot fetch onnxruntime-web")] if shutil.which("npm") else []),
    ]:
        error = write(tmp_path / "page", *flags, code=2, **environment).stderr
        assert words in error
        assert len(error.strip().splitlines()) == 1
        assert not (tmp_path / "page").exists()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a folder with the shipped dream and what the command said."""
    pytest.importorskip("tf2onnx", reason="no tf2onnx here: make static")
    folder = tmp_path_factory.mktemp("static") / "page"
    return folder, write(folder, "--seed", 2).stdout


@contextlib.contextmanager
def hosted(folder):
    """Serve a folder as any host does."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def dreamt(page, seed):
    """Dream from a seed with some keys and knobs; return the rows and some pictures."""
    page.evaluate("seed => send('reset', {seed})", seed)
    until(page, "seed => state.seed === seed && rows.length === 1", seed)
    page.check("#endless")
    page.focus("#figures")
    pictures = [page.evaluate(PICTURE, "dream")]
    page.keyboard.press(".")  # a step without keys, since the first key would begin to play
    wait_for_step(page, 1)
    for number in range(1, 24):
        key = ("ArrowLeft", "ArrowRight")[number // 6 % 2]
        page.keyboard.down(key)
        page.keyboard.press(".")
        wait_for_step(page, number + 1)
        page.keyboard.up(key)
        if number == 11:
            page.select_option("#component", "3")
        if number == 17:
            page.select_option("#component", "")
            page.fill("#temperature", "1.5")
        page.focus("#figures")
        if number % 8 == 7:
            pictures.append(page.evaluate(PICTURE, "dream"))
    page.evaluate("send('goback', {moment: 10})")
    until(page, "rows.length === 11")
    page.keyboard.press(".")
    wait_for_step(page, 11)
    pictures.append(page.evaluate(PICTURE, "dream"))
    return page.evaluate("rows"), pictures


@NPM
def test_it_dreams_what_the_server_dreams(browser, written, tmp_path):
    server = Server(tmp_path)
    both = []
    with hosted(written[0]) as url:
        for address in (url, server.url):
            page = open_page(browser, address)
            page.select_option("#view", "dream")
            both.append(dreamt(page, 5))
            assert page.problems == []
            page.close(run_before_unload=True)
    assert server.stop() == 0
    (ours, pictures), (theirs, wanted) = both
    assert len(ours) == len(theirs) == 12
    for row, other in zip(ours, theirs):
        assert (row["action"], row["by"]) == (other["action"], other["by"])
        for name in ("component", "over", "seen"):
            assert row["dream"][name] == other["dream"][name]
        for name in ("reward", "end", "weights"):
            np.testing.assert_allclose(row["dream"][name], other["dream"][name], atol=2e-4)
    assert len({str(picture) for picture in pictures}) == 5
    assert np.abs(np.subtract(pictures, wanted)).max() <= 1


@NPM
def test_it_plays_without_the_game(browser, written):
    with hosted(written[0]) as url:
        page = open_page(browser, url, viewport={"width": 1280, "height": 900})
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        for hidden in ("#game-figure", "#record", "#watch", "#follow"):
            assert not page.is_visible(hidden)
        page.check("#endless")
        page.focus("#figures")
        page.keyboard.press("ArrowRight")
        wait_for_step(page, 20)
        assert page.evaluate("rows[1].action") == [1]
        box = page.locator("#plots").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 10 / 150, box["y"] + 20)
        until(page, "document.getElementById('hint').textContent.includes('moment 10 of')")
        page.mouse.click(box["x"] + box["width"] * 10 / 150, box["y"] + 20)
        until(page, "document.getElementById('hint').textContent.includes('to begin')")
        assert step(page) == 10
        page.select_option("#speed", "0")
        page.keyboard.press("ArrowLeft")
        wait_for_step(page, 80)
        page.keyboard.press("p")
        page.wait_for_selector("#run:text-is('Play')")
        assert asked == []  # all that it needs is loaded
        assert page.problems == []
        page.close()


@NPM
def test_the_folder_is_small_and_says_so(written):
    folder, said = written
    small = sum(len(gzip.compress(path.read_bytes(), 6)) for path in folder.iterdir())
    assert f"{small / 1e6:.1f} MB compressed" in said
    assert small < 16e6


def test_a_page_that_is_too_large_is_not_written(monkeypatch, tmp_path):
    pytest.importorskip("tf2onnx", reason="no tf2onnx here: make static")
    from reverie.artifacts import InputError
    from reverie.play import static

    monkeypatch.setattr(static, "export", lambda dreamer: {})
    monkeypatch.setattr(static, "notes", lambda *given: {})
    setting = SimpleNamespace(dreamer=SimpleNamespace(first_frames=np.zeros((2, 5, 3))))
    runtime = {"ort-wasm.wasm": np.random.default_rng(0).bytes(17_000_000)}
    with pytest.raises(InputError, match="17 MB compressed, more than 16"):
        static.write_page(setting, 0, runtime, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_onnx_file_that_computes_otherwise_is_refused(monkeypatch):
    pytest.importorskip("tf2onnx", reason="no tf2onnx here: make static")
    from reverie.artifacts import InputError
    from reverie.play import exported
    from reverie.play.dreamer import Dreamer
    from reverie.play.run_folder import find_files

    dreamer = Dreamer(find_files(PRETRAINED, "carracing"))
    networks = exported.export(dreamer)
    assert set(networks) == {"step", "decode", "act"}
    assert max(network.difference for network in networks.values()) < exported.LARGEST
    compare = exported.compare
    monkeypatch.setattr(exported, "compare", lambda *given: 2e-4 + compare(*given))
    with pytest.raises(InputError, match=r"step as ONNX differs from Keras by 0\.0002"):
        exported.export(dreamer)
