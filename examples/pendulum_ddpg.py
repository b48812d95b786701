"""Swing a pendulum up by deep deterministic policy gradients (Lillicrap et al., 2016).

    python examples/pendulum_ddpg.py --seed 0

The critic learns Q(state, action), how much reward is still to come. The actor learns the action: its loss is minus the
critic's value, and its gradient by the action, dQ/da, is what ``critic.vjp`` returns for the columns of the action.
"""

import argparse

import numpy as np
from control import Pendulums, Replay

import fastbp as fb

DISCOUNT, BATCH, COPIES, STEPS = 0.98, 128, 4, 6000


def evaluate(actor, seed):
    """Return the mean reward of 20 episodes."""
    pendulums, total = Pendulums(20, seed), np.zeros(20)
    for _ in range(Pendulums.most_steps):
        total += pendulums.step(actor.predict(pendulums.states))[0]
    return total.mean()


def train(seed):
    """Return the trained actor."""
    rng = np.random.default_rng(seed)
    actor = fb.Model([fb.Dense(64, "relu"), fb.Dense(64, "relu"), fb.Dense(1, "tanh")], inputs=3, seed=seed)
    critic = fb.Model([fb.Dense(64, "relu"), fb.Dense(64, "relu"), fb.Dense(1)], inputs=4, seed=seed + 1)
    slow_actor, slow_critic = actor.copy(), critic.copy()
    actor_trainer = fb.Trainer(actor, "mse", optimizer=fb.Adam(5e-4))  # its loss is not used
    critic_trainer = fb.Trainer(critic, "mse", optimizer=fb.Adam(1e-3))
    pendulums, replay = Pendulums(COPIES, seed), Replay(50_000, seed, 3, 1, 1, 3)
    for i in range(STEPS):
        states = pendulums.states
        actions = np.clip(actor.predict(states) + rng.normal(0, max(0.1, 1 - i / 2000), (COPIES, 1)), -1, 1)
        rewards, after, _ = pendulums.step(actions)
        replay.add(states, actions, rewards / 10, after)  # the episode ends by the clock: there is always a next state
        if replay.n < 1000:
            continue
        states, actions, rewards, after = replay.draw(BATCH)
        to_come = slow_critic.predict(np.hstack([after, slow_actor.predict(after)]))
        critic_trainer.step(np.hstack([states, actions]), rewards + DISCOUNT * to_come)
        now = np.hstack([states, actor.predict(states)])
        _, slopes = critic.vjp(now, np.full((BATCH, 1), -1 / BATCH))  # of the mean of -Q
        actor_trainer.step_gradient(states, slopes[:, 3:])
        slow_actor.blend(actor, tau=0.01)
        slow_critic.blend(critic, tau=0.01)
    return actor


def main():
    parser = argparse.ArgumentParser(description="Swing a pendulum up by deep deterministic policy gradients.")
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    print(f"mean reward of 20 episodes: {evaluate(train(seed), seed + 1000):.1f}")


if __name__ == "__main__":
    main()
