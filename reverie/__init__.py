"""World models in stages: games, rollouts, training, latents, dreams, controllers, studies, plots.

Importing the package is cheap: it starts neither TensorFlow nor a game. It makes the environments
`reverie/Dream-v0` and `reverie/Awake-v0` known to gymnasium.
"""

import os

from reverie.backend import watch_forks
from reverie.environments import register

__version__ = "0.1.0"

# TensorFlow switches its oneDNN kernels on by itself only where the processor has AVX-512; without
# them the article's VAE trains five times slower on an AVX2 machine.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

register()
watch_forks()
