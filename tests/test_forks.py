"""Environments in processes of their own: they work, or refuse at once and say how."""

import os
import subprocess
import sys
import textwrap

import gymnasium
import pytest
from bandit import CHOICES
from helpers import ROOT

from reverie.artifacts import file_hash
from reverie.games.actions import describe_space
from reverie.headers import WeightsHeader
from reverie.training.weights import save_weights

GAME = "bandit:OwnBandit-v0"
SPACE = gymnasium.spaces.MultiDiscrete(CHOICES)
PATIENCE = 200  # seconds, on a busy machine; what hangs hangs for ever
HOW = '"spawn"'


@pytest.fixture(scope="module")
def options(tmp_path_factory, first_frames):
    """Return what the environments are made with, as source."""
    from reverie.models.mdn_rnn import MDNRNN
    from reverie.models.vae import VAE

    folder = tmp_path_factory.mktemp("networks")
    vae, rnn = folder / "vae.h5", folder / "rnn.h5"
    save_weights(vae, VAE("patch", 3), WeightsHeader(GAME))
    header = WeightsHeader(GAME, vae=file_hash(vae), action_space=describe_space(SPACE))
    arrays = dict(zip(("first_mu", "first_logvar"), first_frames))
    save_weights(rnn, MDNRNN(3, sum(CHOICES), 8, 2, seed=1), header, arrays)
    dream = f"id='reverie/Dream-v0', rnn_weights={str(rnn)!r}"
    awake = f"id='reverie/Awake-v0', game={GAME!r}, rnn_weights={str(rnn)!r}"
    return {"dream": dream, "awake": f"{awake}, vae_weights={str(vae)!r}"}


def run(source, folder):
    """Run a program of a user in a process of its own, which must end in time."""
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    script = folder / "script.py"
    script.write_text(textwrap.dedent(source))
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )


def test_what_is_registered_is_known_and_starts_nothing(options, tmp_path):
    source = f"""
        import sys
        import reverie, gymnasium
        assert "reverie/Dream-v0" in gymnasium.registry
        for env in (gymnasium.make({options["dream"]}), gymnasium.make({options["awake"]})):
            print("shape", env.observation_space.shape)
        print({{"tensorflow", "keras", "jax"}} & set(sys.modules))
    """
    result = run(source, tmp_path)
    assert result.stdout.split("\n")[:3] == ["shape (11,)", "shape (11,)", "set()"], result.stderr


ASYNC = """
    import gymnasium
    import reverie

    if __name__ == "__main__":
        {before}
        envs = gymnasium.make_vec(
            {options}, num_envs=2, vectorization_mode="async",
            vector_kwargs={{"context": {context!r}}},
        )
        envs.reset(seed=3)
        observations, *_ = envs.step(envs.action_space.sample())
        print("shape", observations.shape)
        envs.close()
"""
BUSY = "import keras; keras.ops.zeros(1)"


@pytest.mark.parametrize(
    ("name", "before", "context"),
    [("dream", "pass", "fork"), ("awake", "pass", "fork"), ("dream", BUSY, "spawn")],
)
def test_asynchronous_vectors_work(options, tmp_path, name, before, context):
    """Forked where nothing runs yet, which is gymnasium's default on Linux; spawned always."""
    source = ASYNC.format(options=options[name], before=before, context=context)
    result = run(source, tmp_path)
    assert "shape (2, 11)" in result.stdout, result.stderr


@pytest.mark.parametrize("name", ["dream", "awake"])
def test_a_fork_of_a_process_in_which_keras_runs_refuses(options, tmp_path, name):
    result = run(ASYNC.format(options=options[name], before=BUSY, context="fork"), tmp_path)
    assert result.returncode != 0
    assert "shape" not in result.stdout
    assert HOW in result.stderr.strip().splitlines()[-1]


def test_what_was_compiled_before_a_fork_refuses_in_it(options, tmp_path):
    source = f"""
        import os, gymnasium, reverie
        env = gymnasium.make({options["dream"]})
        env.reset(seed=1)
        child = os.fork()
        if child == 0:
            env.step(env.action_space.sample())
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)
    """
    result = run(source, tmp_path)
    assert result.returncode == 1
    assert HOW in result.stderr


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_subproc_vectors_of_stable_baselines(options, tmp_path, method):
    pytest.importorskip("stable_baselines3")
    source = f"""
        import gymnasium
        import reverie
        from stable_baselines3.common.env_util import make_vec_env
        from stable_baselines3.common.vec_env import SubprocVecEnv

        if __name__ == "__main__":
            envs = make_vec_env(
                lambda: gymnasium.make({options["dream"]}), n_envs=2, vec_env_cls=SubprocVecEnv,
                vec_env_kwargs={{"start_method": {method!r}}},
            )
            print("shape", envs.reset().shape)
            envs.close()
    """
    result = run(source, tmp_path)
    assert "shape (2, 11)" in result.stdout, result.stderr
