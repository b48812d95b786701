"""JAX: the whole epoch is one jit-compiled lax.scan, its state donated; a prediction is one jit-compiled function."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, make_data


def _configure(dtype: str) -> None:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", dtype == "float64")


def _to_device(weights: list[np.ndarray]) -> list[tuple[jax.Array, jax.Array]]:
    """Copies, as the state of the training is donated, and the caller's arrays are not ours to give away."""
    arrays = [jnp.array(array, copy=True) for array in weights]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def _logits(parameters, X):
    """What the last layer gives before the softmax."""
    A = X
    for W, b in parameters[:-1]:
        A = jax.nn.relu(A @ W + b)
    W, b = parameters[-1]
    return A @ W + b


@jax.jit
def _probabilities(parameters, X):
    return jax.nn.softmax(_logits(parameters, X))


def _mean_loss(parameters, X, y):
    """Softmax cross-entropy of a batch."""
    log_probabilities = jax.nn.log_softmax(_logits(parameters, X))
    return -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()


def _adam(n_steps, parameter, gradient, m, v):
    """New parameter, m and v."""
    m = BETA_1 * m + (1 - BETA_1) * gradient
    v = BETA_2 * v + (1 - BETA_2) * gradient * gradient
    m_hat = m / (1 - BETA_1**n_steps)
    v_hat = v / (1 - BETA_2**n_steps)
    return parameter - LEARNING_RATE * m_hat / (jnp.sqrt(v_hat) + EPSILON), m, v


def _step(X, y, state, rows):
    """One update, in the form that lax.scan takes."""
    parameters, m, v, n_steps = state
    n_steps = n_steps + 1
    loss, gradients = jax.value_and_grad(_mean_loss)(parameters, X[rows], y[rows])
    updated = jax.tree.map(partial(_adam, n_steps), parameters, gradients, m, v)
    parameters, m, v = jax.tree.transpose(jax.tree.structure(parameters), jax.tree.structure((0, 0, 0)), updated)
    return (parameters, m, v, n_steps), loss


@partial(jax.jit, donate_argnums=0)
def _epoch(state, X, y, order):
    """Scan over the rows of `order`, shape (n_batches, batch_size). Returns the state and the mean loss."""
    state, losses = lax.scan(partial(_step, X, y), state, order)
    return state, losses.mean()


class JaxPeer:
    """One call of the compiled epoch after the other, each with a permutation from NumPy (XLA's sorts: slower)."""

    settings = "jit + lax.scan over the epoch, donated state, permutation by NumPy, threads limited by CPU affinity"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        _configure(dtype)
        self.batch_size = workload.batch_size
        X, y = make_data(workload, dtype)
        self.X, self.y = jnp.asarray(X), jnp.asarray(y, dtype=jnp.int32)
        self.rng = np.random.default_rng(0)

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`."""
        parameters = _to_device(weights)
        m = jax.tree.map(jnp.zeros_like, parameters)
        v = jax.tree.map(jnp.zeros_like, parameters)
        self.state = (parameters, m, v, jnp.zeros((), self.X.dtype))

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """See `Peer`."""
        losses = []
        for _ in range(epochs):
            n_samples = n_batches * self.batch_size
            order = self.rng.permutation(n_samples) if shuffle else np.arange(n_samples)
            order = order.astype(np.int32).reshape(n_batches, -1)
            self.state, loss = _epoch(self.state, self.X, self.y, order)
            losses.append(loss)
        return [float(loss) for loss in losses]


class JaxPredictor:
    """The compiled function, from a NumPy array to a NumPy array."""

    settings = "jit, np.asarray of the result, threads limited by CPU affinity"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        _configure(dtype)

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Predictor`."""
        self.parameters = _to_device(weights)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return np.asarray(_probabilities(self.parameters, X))


def versions() -> dict[str, str]:
    """See `bench.peers`."""
    return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}
