"""A mask network taught by what a critic says of frames that exchange pixels."""

from typing import Any

import keras
from keras import ops

from .classifier import Classifier
from .critic import Critic
from .mask_net import MaskNet
from .shares import mean, share, whole


@keras.saving.register_keras_serializable("reverie")
class GuidedMaskNet(Classifier):
    """Trains a mask network by a critic (Melnik et al., arXiv 2107.09540).

    Of a batch, A is the frames of high value and as many of low value, B those of low value. With Z
    the masks of A, the value of A with the marked pixels taken from B shall be that of B
    (replace), and the value of B with the marked pixels taken from A that of A (inject), while Z
    marks little: `replace + inject + sparsity * mean(Z)`, the first two as squared errors.

    Args:
        mask_net: the configuration of the `MaskNet`.
        critic: the configuration of the `Critic`.
        sparsity: price of a marked frame.
        live: train the critic on, with five times its own loss, so that it gets to know exchanged
            pixels; otherwise it stays as it is.
        seed: decides which frame exchanges pixels with which.
    """

    def __init__(
        self,
        mask_net: dict,
        critic: dict,
        sparsity: float = 0.5,
        live: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mask_net, self.critic = MaskNet(**mask_net), Critic(**critic)
        self.critic.trainable = live
        self.sparsity, self.live = sparsity, live
        self.seed_generator = keras.random.SeedGenerator(seed)
        names = ("replace", "inject", "marked")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.build()

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return {
            "mask_net": self.mask_net.get_config(),
            "critic": self.critic.get_config(),
            "sparsity": self.sparsity,
            "live": self.live,
        }

    def call(self, frames: Any, training: bool = False) -> Any:
        """Return the logits of what the critic says of frames `(B, H, W, 3)` in 0..255, `(B,)`."""
        return self.critic(frames, training=training and self.live)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of frames `x` in 0..255 with values `y` and the critic's logits."""
        frames = whole(ops.cast(x, "float32"))
        values = whole(ops.stop_gradient(ops.sigmoid(y_pred)))
        high, low = (share(order) for order in self.pair(values))
        a, b = ops.take(frames, high, axis=0), ops.take(frames, low, axis=0)
        z = self.mask_net.mask(a)[..., None]
        without = self.critic.value(a * (1.0 - z) + b * z)
        within = self.critic.value(b * (1.0 - z) + a * z)
        terms = {
            "replace": mean(ops.square(without - ops.take(values, low))),
            "inject": mean(ops.square(within - ops.take(values, high))),
            "marked": mean(z),
        }
        for name, term in terms.items():
            self.trackers[name].update_state(term)
        loss = terms["replace"] + terms["inject"] + self.sparsity * terms["marked"]
        return loss + 5.0 * super().compute_loss(y=y, y_pred=y_pred) if self.live else loss

    def pair(self, values: Any) -> tuple[Any, Any]:
        """Return which frames are A and which B by the values of all, `(B / 2,)` each."""
        order = ops.argsort(values)
        half = ops.shape(values)[0] // 2
        low = order[:half]
        high = ops.concatenate([order[-(half // 2) :], low[half // 2 :]])
        return high, keras.random.shuffle(low, seed=self.seed_generator)
