"""Two classic control problems, many copies at once: balancing a pole on a cart, and swinging a pendulum up.

The examples of reinforcement learning import them. A state is a row; ``step`` takes an action for each copy, and begins
anew those copies whose episode has ended.
"""

import numpy as np


class CartPoles:
    """A pole on a cart that is pushed left or right (Barto, Sutton and Anderson, 1983); 1 for each step it stands.

    A state is position, velocity, angle and angular velocity. An episode ends when the pole leans by 12 degrees, when
    the cart has gone 2.4 to a side, or after 500 steps.
    """

    n_inputs, n_actions, most_steps = 4, 2, 500

    def __init__(self, n, seed):
        self.rng = np.random.default_rng(seed)
        self.states, self.n_steps = self.rng.uniform(-0.05, 0.05, (n, 4)), np.zeros(n, int)

    def step(self, actions):
        """Return rewards, the states that the actions led to, whether the pole fell, and whether the episode ended."""
        x, v, angle, w = self.states.T
        gravity, pole_mass, mass, half_length, force = 9.8, 0.1, 1.1, 0.5, np.where(actions == 1, 10.0, -10.0)
        sin, cos = np.sin(angle), np.cos(angle)
        push = (force + pole_mass * half_length * w**2 * sin) / mass
        turn = (gravity * sin - cos * push) / (half_length * (4 / 3 - pole_mass * cos**2 / mass))
        pull = push - pole_mass * half_length * turn * cos / mass
        after = np.column_stack([x + 0.02 * v, v + 0.02 * pull, angle + 0.02 * w, w + 0.02 * turn])
        self.n_steps += 1
        fell = (np.abs(after[:, 0]) > 2.4) | (np.abs(after[:, 2]) > np.radians(12))
        ended = fell | (self.n_steps >= self.most_steps)
        self.states = np.where(ended[:, None], self.rng.uniform(-0.05, 0.05, after.shape), after)
        self.n_steps[ended] = 0
        return np.ones(len(x)), after, fell, ended


class Pendulums:
    """A pendulum that hangs, with a motor too weak to lift it at one go; the reward is minus its distance from upright.

    A state is the cosine and sine of the angle, and an eighth of the angular velocity. An action is a torque, -1 to 1.
    An episode is 200 steps; what swings up quickly and stays there gets about -150.
    """

    n_inputs, n_actions, most_steps = 3, 1, 200

    def __init__(self, n, seed):
        self.rng = np.random.default_rng(seed)
        self.angle, self.w, self.n_steps = self.rng.uniform(-np.pi, np.pi, n), self.rng.uniform(-1, 1, n), 0

    @property
    def states(self):
        """The present states."""
        return np.column_stack([np.cos(self.angle), np.sin(self.angle), self.w / 8])

    def step(self, actions):
        """Return rewards, the states that the actions led to, and whether the episode ended, all at the same time."""
        torque = 2 * np.clip(np.asarray(actions).reshape(-1), -1, 1)
        from_top = (self.angle + np.pi) % (2 * np.pi) - np.pi
        rewards = -(from_top**2 + 0.1 * self.w**2 + 0.001 * torque**2)
        self.w = np.clip(self.w + 0.05 * (15 * np.sin(self.angle) + 3 * torque), -8, 8)
        self.angle = self.angle + 0.05 * self.w
        self.n_steps += 1
        after, ended = self.states, self.n_steps >= self.most_steps
        if ended:
            self.angle, self.w = self.rng.uniform(-np.pi, np.pi, len(self.w)), self.rng.uniform(-1, 1, len(self.w))
            self.n_steps = 0
        return rewards, after, ended


class Replay:
    """The latest transitions, from which batches are drawn."""

    def __init__(self, capacity, seed, *widths):
        self.rng = np.random.default_rng(seed)
        self.arrays = [np.empty((capacity, width), np.float32) for width in widths]
        self.n = self.place = 0

    def add(self, *rows):
        """Add rows of each array, over the oldest ones."""
        n, capacity = len(rows[0]), len(self.arrays[0])
        places = (self.place + np.arange(n)) % capacity
        for array, values in zip(self.arrays, rows, strict=True):
            array[places] = np.reshape(values, (n, -1))
        self.place, self.n = (self.place + n) % capacity, min(self.n + n, capacity)

    def draw(self, n):
        """Return n rows of each array."""
        rows = self.rng.integers(0, self.n, n)
        return [array[rows] for array in self.arrays]
