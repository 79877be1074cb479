"""Pages that need no other file: tables, pictures and films as parts of one HTML."""

import base64
import html
from pathlib import Path

from reverie.artifacts import write_text

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
img, video { max-width: 100%; image-rendering: pixelated; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr { border-bottom: 1px solid #ddd; }
figcaption { color: #555; font-size: 90%; } figure { margin: 1.5rem 0; }
"""


def write_page(path: Path, parts: list[str]) -> None:
    """Write parts as one page, atomically."""
    body = "\n".join(parts)
    page = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reverie</title>\n'
    write_text(path, f"{page}<style>{STYLE}</style>\n<body>\n{body}\n</body></html>\n")


def table(header: list, rows: list[list]) -> str:
    """Return a table."""
    lines = ["".join(f"<th>{html.escape(str(cell))}</th>" for cell in header)]
    lines += ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def picture(path: Path, caption: str) -> str:
    """Return a PNG with what stands below it."""
    return _figure(f'<img src="data:image/png;base64,{_encoded(path)}" alt="{caption}">', caption)


def video(path: Path, caption: str) -> str:
    """Return a film with what stands below it."""
    source = f"data:video/mp4;base64,{_encoded(path)}"
    return _figure(f'<video src="{source}" controls loop muted autoplay></video>', caption)


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
