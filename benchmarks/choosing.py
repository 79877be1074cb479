"""Few diverse frames chosen of 100,000: time, memory, and how well they cover all."""

import resource

from benchmarks.rows import Row, compare, processor_seconds
from benchmarks.workplace import Workplace
from reverie.rollouts.diverse import choose
from reverie.rollouts.storage import episode_lengths

GOAL_SECONDS, GOAL_MIB = 60, 2048


def measure(place: Workplace) -> list[Row]:
    """Measure one choice; the recordings are gone through as often as they make enough frames."""
    once = place.rollouts()
    lengths = episode_lengths(once)
    total, count = place.size(100_000, 2_000), place.size(5_000, 200)
    paths = once * -(-total // int(lengths.sum() + len(lengths)))
    episodes, frames = [], 0
    for number, length in enumerate(episode_lengths(paths)):
        if frames < total:
            episodes.append(number)
            frames += int(length) + 1
    found = []
    spent = processor_seconds(lambda: found.append(choose(paths, episodes, count)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours, regular, _ = found[0].table
    what = f"choosing {count:,} of {frames:,} frames"
    radii = ours["coverage_radius"], regular["coverage_radius"]
    return [
        compare(what, spent, GOAL_SECONDS, "processor s", "the goal"),
        compare(f"{what}, peak memory", peak, GOAL_MIB, "MiB", "the goal"),
        compare(f"{what}, coverage radius", *radii, "greys", "as many frames, evenly spread"),
    ]
