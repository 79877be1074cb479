"""A VAE and an MDN-RNN that belong together."""

from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np

from reverie.dreams.dream import Dream, first_episodes
from reverie.dreams.options import DreamOptions
from reverie.games.actions import ActionCode
from reverie.headers import Recorded
from reverie.latents.storage import load_first_frames
from reverie.mixtures.networks import check_networks, network_name
from reverie.models.mdn_rnn import MDNRNN
from reverie.models.vae import VAE
from reverie.rollouts.policies import blind_policy, episode_seeds, open_loop_actions
from reverie.training.weights import load_network


@dataclass(frozen=True)
class WorldModel:
    """A VAE and the MDN-RNN that was trained on its latents.

    Attributes:
        name: of the MDN-RNN, for tables.
        vae: decodes latents.
        rnn: trained on that VAE's latents.
        first_frames: `mu` and `logvar` `(E, Z)` of the recorded episodes' first frames.
        policies: of those that do not look, how each recorded episode was played, `held_random`
            for the others; a dream is played as the episode that it begins with.
    """

    name: str
    vae: VAE
    rnn: MDNRNN
    first_frames: tuple[np.ndarray, np.ndarray]
    policies: tuple[str, ...]

    def dream(self, options: DreamOptions) -> Dream:
        """Return what the MDN-RNN dreams with these options."""
        return Dream(self.rnn, *self.first_frames, options)

    def actions(self, count: int, steps: int, seed: int, policy: str | None = None) -> np.ndarray:
        """Return the codes of actions of dreams: `(count, steps, A)`.

        Args:
            count: of the dreams.
            steps: of each.
            seed: decides them; dreams of this seed are played as the episodes they begin with.
            policy: plays all of them instead, a policy that does not look.
        """
        episodes = first_episodes(self.first_frames[0], count, np.random.default_rng(seed))
        policies = [policy or self.policies[episode] for episode in episodes]
        seeds = episode_seeds(seed, 0, count, "evaluate")
        ones = np.ones(self.rnn.action_size, np.float32)
        space = gymnasium.spaces.Box(-ones, ones)
        actions = [open_loop_actions(p, s, steps, space) for p, s in zip(policies, seeds)]
        return ActionCode.from_space(space).encode(np.stack(actions))


def load_world_model(vae_weights: Path, rnn_weights: Path, joint: bool = True) -> WorldModel:
    """Load two networks that belong together, see `check_networks`."""
    vae_weights, rnn_weights = Path(vae_weights), Path(rnn_weights)
    recorded = check_networks(vae_weights, rnn_weights, joint).recorded or Recorded()
    first_frames = load_first_frames(rnn_weights)
    policies = map(recorded.policy_of, range(len(first_frames[0])))
    return WorldModel(
        name=network_name(rnn_weights),
        vae=load_network(vae_weights, "VAE"),
        rnn=load_network(rnn_weights, "MDNRNN"),
        first_frames=first_frames,
        policies=tuple(map(blind_policy, policies)),
    )
