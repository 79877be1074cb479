"""The dream as a folder that any static host serves: the page, its networks, what runs them.

index.html  dream.js          the page of `reverie.play`, with the dream in place of the server
dream.json  first_frames.bin  what it is, and where dreams begin: mu and logvar `(E, 2, Z)`
step.onnx  decode.onnx        the networks, and act.onnx where a controller can play
ort.*.mjs  ort-*.wasm         onnxruntime-web, from npm
"""

import gzip
import json
import re
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, atomic_path
from reverie.play.exported import export
from reverie.play.server import PAGE
from reverie.play.setting import CONTROLLER, PERSON, Setting
from reverie.seeds import seed_31

SCRIPT = Path(__file__).with_name("dream.js")
CONNECTION = re.compile(r'<script id="connection">.*?</script>', re.DOTALL)
LEVEL = 6  # of gzip, as servers use it
LARGEST = 16e6  # bytes compressed, which a reader of a page may have to wait for
CHARSET = '<meta charset="utf-8">'
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
DREAM = """<script>
if (location.protocol === "file:") {
  byId("connection-state").textContent = "";
  byId("notice").textContent = "Browsers let no page from a file load its networks. " +
    "Serve the folder: python -m http.server";
} else {
  byId("connection-state").textContent = "loading the dream …";
}
</script>
<script type="module" src="dream.js"></script>"""


def write_page(
    setting: Setting, seed: int, runtime: dict[str, bytes], folder: Path
) -> tuple[int, int, float]:
    """Write the folder; `index.html` comes last.

    Args:
        setting: with a dreamer.
        seed: of the first dream.
        runtime: see `fetch_runtime`.
        folder: made where it is missing; files of other names in it stay.

    Returns:
        Bytes, bytes compressed with gzip, and the largest difference between ONNX and Keras.

    Raises:
        InputError: the networks cannot be written as ONNX, or are too large for a page.
    """
    networks = export(setting.dreamer)
    first = np.stack(setting.dreamer.first_frames, axis=1)
    files = {f"{name}.onnx": network.model for name, network in networks.items()} | runtime
    files["first_frames.bin"] = first.astype("<f4").tobytes()
    files["dream.json"] = json.dumps(notes(setting, seed, list(networks))).encode()
    files["dream.js"] = SCRIPT.read_bytes()
    files["index.html"] = page().encode()
    small = sum(len(gzip.compress(content, LEVEL)) for content in files.values())
    if small > LARGEST:
        raise InputError(
            f"--static: the page has {small / 1e6:.0f} MB compressed, more than "
            f"{LARGEST / 1e6:.0f}; give it a VAE or an MDN-RNN with fewer parameters"
        )
    for name, content in files.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)
    difference = max(network.difference for network in networks.values())
    return sum(map(len, files.values())), small, difference


def page() -> str:
    """Return the page of the server with the dream in the place of its connection."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    text = PAGE.read_text().replace(CHARSET, f"{CHARSET}\n{meta}", 1)
    return CONNECTION.sub(lambda _: DREAM, text)


def notes(setting: Setting, seed: int, networks: list[str]) -> dict:
    """Return what `dream.js` must know of a dream."""
    dreamer, keys, code = setting.dreamer, setting.keys, setting.code
    players = [PERSON, *([CONTROLLER] if dreamer.controller else [])]
    alone = {"views": ["dream"], "players": players, "records": None}
    return {
        "about": setting.about() | alone | {"room": None, "plays": True},
        "seed": seed_31(seed),
        "temperature": setting.knobs.temperature,
        "time_steps": setting.time_steps,
        "actions": {
            **{name: getattr(code, name) for name in ("choices", "start", "low", "high")},
            "rest": keys.rest,
            "bindings": [vars(binding) for binding in keys.bindings],
        },
        "networks": {
            "networks": networks,
            "latents": dreamer.rnn.latent_size,
            "units": dreamer.rnn.units,
            "choices": dreamer.rnn.mixture.choices,
            "joint": dreamer.joint,
            "frame": dreamer.vae.frame_shape,
            "detector": dreamer.judgements,
        },
    }
