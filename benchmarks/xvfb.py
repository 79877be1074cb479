"""X servers without a screen, for tests and benchmarks."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

COMMAND = "Xvfb"
SIZE = "1280x1024x24"


def installed() -> bool:
    """Tell whether there is one to start."""
    return shutil.which(COMMAND) is not None


@contextlib.contextmanager
def x_server() -> Iterator[str]:
    """Start a server and yield its `DISPLAY`; it does not reset when its last client leaves."""
    there, tell = os.pipe()
    options = ["-screen", "0", SIZE, "-noreset", "-nolisten", "tcp", "-displayfd", str(tell)]
    process = subprocess.Popen(
        [COMMAND, *options], pass_fds=[tell], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(tell)
    try:
        with os.fdopen(there) as file:
            number = file.readline().strip()
        if not number:
            raise RuntimeError(f"{COMMAND} did not start")
        yield f":{number}"
    finally:
        process.terminate()
        process.wait()
