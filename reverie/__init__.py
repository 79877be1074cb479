"""What the numbered scripts share: games, rollouts, artifacts, training, dreams, evolution, plots.

Importing the package is cheap: it starts neither TensorFlow nor a game.
"""

import os

__version__ = "0.1.0"

# TensorFlow switches its oneDNN kernels on by itself only where the processor has AVX-512; without
# them the article's VAE trains five times slower on an AVX2 machine.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
