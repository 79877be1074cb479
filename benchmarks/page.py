"""Playing in the browser: steps a second, and how soon a key shows in the picture."""

import asyncio
import json
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import cv2
import numpy as np

from benchmarks.rows import Row, compare
from benchmarks.workplace import Workplace

# From a key that goes down to the frame of the browser that shows a step with its action.
LATENCY = """code => new Promise(done => {
  const drawn = showMoment, began = performance.now();
  const wanted = code === "ArrowLeft" ? -1 : 1;
  showMoment = () => {
    drawn();
    if (rows.at(-1).action[0] !== wanted) return;
    showMoment = drawn;
    requestAnimationFrame(() => done(performance.now() - began));
  };
  document.body.dispatchEvent(new KeyboardEvent("keydown", {code, bubbles: true}));
})"""
RELEASE = "code => dispatchEvent(new KeyboardEvent('keyup', {code}))"


def measure(place: Workplace) -> list[Row]:
    """Measure the shipped Doom, game and dream side by side, served as a person starts it."""
    with _served() as url:
        rate = asyncio.run(_rate(url, place.size(1500, 50)))
        rows = [compare("page: game and dream", rate, 30.0, "steps/s", "the goal")]
        if chromium := shutil.which("chromium"):
            late = _latency(url, chromium, place.size(100, 5))
            rows.append(compare("page: key to picture, median", late, 50.0, "ms", "the goal"))
    return rows


@contextmanager
def _served() -> Iterator[str]:
    command = [sys.executable, "-m", "reverie.play", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield next(match[0] for line in server.stdout if (match := re.search(r"http:\S+", line)))
        server.terminate()


async def _rate(url: str, steps: int) -> float:
    """Return steps a second as fast as it goes, every picture encoded, sent and decoded."""
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}socket") as socket:

        async def say(kind: str, **values: object) -> None:
            await socket.send_json({"type": kind} | values)

        await say("knobs", endless=True)
        await say("choose", player="wandering")
        await say("speed", factor=0)
        known, began, first = 0, 0.0, 0
        while known - first < steps:
            message = await socket.receive()
            if message.type != aiohttp.WSMsgType.BINARY:
                if json.loads(message.data).get("over"):
                    await say("reset")
                continue
            (size,) = struct.unpack_from("<I", message.data)
            header = json.loads(message.data[4 : 4 + size])
            start = 4 + size
            for length in header["pictures"].values():
                picture = np.frombuffer(message.data, np.uint8, length, start)
                cv2.imdecode(picture, cv2.IMREAD_COLOR)
                start += length
            await say("seen")
            known = header["moment"]
            if began == 0.0 and known > 20:
                began, first = time.perf_counter(), known
        return (known - first) / (time.perf_counter() - began)


def _latency(url: str, chromium: str, presses: int) -> float:
    """Return milliseconds from key to picture, the median of keys pressed at odd moments."""
    from playwright.sync_api import sync_playwright

    rng = np.random.default_rng(0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("#keys button")
        page.check("#endless")
        page.select_option("#view", "both")
        page.click("#run")
        times = []
        for press in range(presses):
            code = ("ArrowLeft", "ArrowRight")[press % 2]
            times.append(page.evaluate(LATENCY, code))
            page.evaluate(RELEASE, code)
            time.sleep(float(rng.uniform(0.05, 0.15)))
        browser.close()
    return statistics.median(times)
