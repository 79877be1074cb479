"""The environments of Reverie, by their ids; gymnasium imports their modules when it makes one."""

import gymnasium

ENVIRONMENTS = {
    "reverie/Dream-v0": {
        "entry_point": "reverie.dreams.environment:DreamEnv",
        "vector_entry_point": "reverie.dreams.environment:DreamVectorEnv",
    },
    "reverie/Awake-v0": {
        "entry_point": "reverie.controllers.latent_observations:AwakeEnv",
    },
}


def register() -> None:
    """Make the environments known to gymnasium; `import reverie` does it."""
    for name, entry_points in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, **entry_points)
