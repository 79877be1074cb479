"""Atari 2600 through the Arcade Learning Environment: any cartridge that ale-py ships."""

from importlib.metadata import version

import gymnasium

from reverie.games import registered

# What researchers have settled on (Machado et al., 2018, arXiv 1709.06009): a step is four frames
# of the console, and the last action sticks with a probability of a quarter. Of the eighteen
# actions those are offered that the cartridge knows.
SETTINGS = {"frameskip": 4, "repeat_action_probability": 0.25, "full_action_space": False}
TIME_STEPS = 27_000  # half an hour of the console, its usual limit


def cartridges() -> dict[str, str]:
    """Return the names of all cartridges, as `enduro`, and their ids, as `ALE/Enduro-v5`."""
    import ale_py

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # it greets every process
    gymnasium.register_envs(ale_py)
    ids = [name for name in gymnasium.registry if name.startswith("ALE/") and "-ram" not in name]
    return {gymnasium.spec(name).kwargs["game"]: name for name in ids}


def environment(name: str, settings: dict | None = None) -> type[registered.Registered]:
    """Return the class of a cartridge by its name or id, made with settings beside the usual."""
    game = registered.environment(cartridges().get(name, name), SETTINGS | (settings or {}))
    values = {"time_steps": TIME_STEPS, "fps": 15, "version": f"ale-py {version('ale-py')}"}
    return type(game.__name__, (game,), values)
