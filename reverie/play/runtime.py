"""What a page without a server runs on: onnxruntime-web, taken from npm when the page is built."""

import importlib.util
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from reverie.artifacts import InputError
from reverie.backend import BACKENDS

PACKAGE = "onnxruntime-web@1.30.0"
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
PYTHON = ("tf2onnx", "onnx", "onnxruntime")
TITLE = "<title>Reverie</title>"
PATIENCE = 600  # seconds; the package is 33 MB


def check_tools(folder: Path) -> None:
    """Check what writes networks as ONNX, and where they go.

    Raises:
        InputError: a package is not installed, Keras runs on another backend than TensorFlow, or
            the folder holds another page.
    """
    index = folder / "index.html"
    if index.exists() and TITLE not in index.read_text(errors="replace"):
        raise InputError(f"{index}: another page; choose an empty folder for --static")
    missing = [name for name in PYTHON if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--static: needs {', '.join(missing)}; install with: make static, "
            "or pip install -e '.[static]'"
        )
    backend = os.environ.get("KERAS_BACKEND", BACKENDS[0])
    if backend != "tensorflow":
        raise InputError(
            f"--static: networks are written as ONNX from TensorFlow; run it without "
            f"KERAS_BACKEND={backend}, the weights are the same"
        )


def fetch_runtime() -> dict[str, bytes]:
    """Return the files of onnxruntime-web by name, from npm or from its cache.

    Raises:
        InputError: npm is not installed, or it cannot get the package.
    """
    with tempfile.TemporaryDirectory(prefix="reverie_npm_") as folder:
        _pack(folder)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as members:
            return {name: members.extractfile(f"package/dist/{name}").read() for name in FILES}


def _pack(folder: str) -> None:
    command = ["npm", "pack", PACKAGE, "--pack-destination", folder]
    options = ["--prefer-offline", "--fetch-retries=1", "--loglevel=error"]
    try:
        subprocess.run(
            [*command, *options], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
    except FileNotFoundError as error:
        raise InputError(
            f"--static: the page runs on {PACKAGE}, which npm fetches, and npm is not installed; "
            "install it, for instance with: apt-get install npm"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"--static: npm has not fetched {PACKAGE} in {PATIENCE} s; run it with a better network"
        ) from error
    except subprocess.CalledProcessError as error:
        reason = next((line for line in error.stderr.splitlines() if line.strip()), "no reason")
        raise InputError(
            f"--static: npm cannot fetch {PACKAGE} ({reason.strip()}); run it once with a network, "
            "afterwards its cache serves"
        ) from error
