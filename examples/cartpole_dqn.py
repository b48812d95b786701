"""Balance a pole by deep Q-learning (Mnih et al., 2015), with two networks that check each other (van Hasselt, 2016).

    python examples/cartpole_dqn.py --seed 0

The network learns Q(state, action), how much reward is still to come. Its target is the reward, and what a second
network, which follows slowly, says of the best next action. Only the value of the action that was taken has a target:
``sample_weight`` has a weight for each output, 0 for the others.
"""

import argparse

import numpy as np
from control import CartPoles, Replay

import fastbp as fb

DISCOUNT, BATCH, COPIES, STEPS = 0.99, 128, 4, 12_000
REWARD = 0.1  # for each step, so that Q is 10 at most, as large as a network's outputs like to be


def act(model, states, rng, share_random):
    """Return the best actions, some of them random."""
    best = model.predict(states).argmax(axis=1)
    return np.where(rng.random(len(states)) < share_random, rng.integers(0, 2, len(states)), best)


def evaluate(model, seed):
    """Return the mean number of steps of 20 episodes, without random actions."""
    poles, rng = CartPoles(20, seed), np.random.default_rng(seed)
    lengths, standing = np.zeros(20), np.ones(20, bool)
    for _ in range(CartPoles.most_steps):
        _, _, _, ended = poles.step(act(model, poles.states, rng, 0.0))
        lengths += standing
        standing &= ~ended
    return lengths.mean()


def train(seed):
    """Return the trained model."""
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(64, "relu"), fb.Dense(2)], inputs=4, seed=seed)
    target = model.copy()
    trainer = fb.Trainer(model, loss="huber", optimizer=fb.Adam(2e-3), clip_norm=10.0)
    poles, rng = CartPoles(COPIES, seed), np.random.default_rng(seed)
    replay = Replay(50_000, seed, 4, 1, 1, 4, 1)
    best, best_length = model, 0.0
    for i in range(STEPS):
        states = poles.states
        actions = act(model, states, rng, max(0.05, 1 - i / 3000))
        rewards, after, fell, _ = poles.step(actions)
        replay.add(states, actions, rewards, after, fell)
        if replay.n < 1000:
            continue
        states, actions, rewards, after, fell = replay.draw(BATCH)
        chosen = np.eye(2)[actions[:, 0].astype(int)]
        next_actions = model.predict(after).argmax(axis=1)
        to_come = target.predict(after)[np.arange(BATCH), next_actions][:, None]
        values = REWARD * rewards + DISCOUNT * (1 - fell) * to_come
        trainer.step(states, values * chosen, sample_weight=chosen)
        target.blend(model, tau=0.02)
        if i % 1000 == 999 and (length := evaluate(model, seed + 1)) >= best_length:
            best, best_length = model.copy(), length
    return best


def main():
    parser = argparse.ArgumentParser(description="Balance a pole by deep Q-learning.")
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    print(f"mean steps of 20 episodes, 500 at most: {evaluate(train(seed), seed + 1000):.1f}")


if __name__ == "__main__":
    main()
