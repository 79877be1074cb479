"""TensorFlow Probability's distributions for the backend that Keras runs on."""

import keras

if keras.backend.backend() == "jax":
    from tensorflow_probability.substrates import jax as tfp
else:
    import tensorflow_probability as tfp

tfd = tfp.distributions


def seed_at(seed: int, index: int) -> object:
    """Return a stateless seed for `tfd` samplers that depends on two numbers in [0, 2**31)."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.random.fold_in(jax.random.PRNGKey(seed), index)
    return keras.ops.convert_to_tensor([seed, index], dtype="int32")
