"""Videos that browsers play, written by ffmpeg."""

import errno
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np

from reverie.artifacts import InputError, atomic_path
from reverie.stage import stop_signal


def save_video(path: Path, frames: np.ndarray, fps: int = 35) -> None:
    """Write frames `(T, H, W, 3)` uint8, H and W even, as an H.264 video, atomically.

    ffmpeg stands in a session of its own: a signal for the stage and all its processes does not
    cut the film off.

    Raises:
        InputError: ffmpeg ended before its time.
        OSError: the folder cannot be written to or the disk is full.
        Stopped: ffmpeg was ended, and the stage was asked to stop.
    """
    with atomic_path(path, ".mp4") as temporary, tempfile.TemporaryFile() as words:
        command = _command(temporary, frames.shape[2], frames.shape[1], fps)
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
        with process:
            try:
                for frame in frames:
                    process.stdin.write(np.ascontiguousarray(frame).data)
                process.stdin.close()
            except BrokenPipeError:
                pass  # its exit code tells more
        if process.returncode:
            stop_signal.check()
            words.seek(0)
            raise _failure(path, process.returncode, words.read().decode(errors="replace"))


def _command(path: Path, width: int, height: int, fps: int) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources, about itself
        from imageio_ffmpeg import get_ffmpeg_exe
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps}"]
    film = ["-an", "-vcodec", "libx264", "-pix_fmt", "yuv420p", "-crf", "25", "-v", "warning"]
    return [get_ffmpeg_exe(), "-y", *source, "-i", "-", *film, str(path)]


def _failure(path: Path, code: int, words: str) -> Exception:
    if "No space left on device" in words:
        return OSError(errno.ENOSPC, "No space left on device", str(path))
    last = (words.strip().splitlines() or ["it said nothing"])[-1]
    return InputError(
        f"{path}: ffmpeg, which writes the film, ended with code {code} ({last}); run the same "
        "command again"
    )
