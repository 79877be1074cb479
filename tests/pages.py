"""A page of `reverie.play` in a real browser, as its tests open and read it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from helpers import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURE = """side => {
  const canvas = document.getElementById(side);
  return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
}"""


def until(page, expression, arg=None):
    """Wait until an expression holds; the page forbids Playwright's own way, an `eval`."""
    end = time.monotonic() + 20
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"never: {expression}"
        time.sleep(0.02)


class Server:
    """`python -m reverie.play` as a person starts it."""

    def __init__(self, folder, *flags):
        self.folder = folder
        command = [sys.executable, "-m", "reverie.play", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--record_folder", str(folder), *map(str, flags)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if match := re.search(r"http://127.0.0.1:(\d+)/", line):
                self.port = int(match[1])
                self.url = match[0]
                return
        raise AssertionError("".join(lines))

    def children(self):
        """Return the processes below the server's that have not ended."""
        parents = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                parents[int(name)] = int(fields[1])
        found, new = set(), {self.process.pid}
        while new:
            new = {pid for pid, parent in parents.items() if parent in new}
            found |= new
        return found

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def open_page(browser, url, **options):
    page = browser.new_page(**options)
    page.set_default_timeout(20_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else 0)
    page.goto(url)
    until(page, "document.getElementById('hint').textContent.includes('key of the game')")
    return page


def step(page, side="dream"):
    return int(re.search(r"step (\d+)", page.inner_text(f"#{side}-score"))[1])


def wait_for_step(page, number, side="dream"):
    text = "([side, number]) => +/step (\\d+)/.exec(document.getElementById(side + '-score')"
    until(page, text + ".textContent)[1] >= number", arg=[side, number])


def number(page, name):
    """Return what the table below the timeline says under a name."""
    return page.locator(f"#numbers div:has(dt:text-is('{name}')) dd").inner_text()
