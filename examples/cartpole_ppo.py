"""Balance a pole by proximal policy optimisation (Schulman et al., 2017).

    python examples/cartpole_ppo.py --seed 0

The actor learns which actions to take, the critic how much reward is still to come. An action's advantage is how much
more came than the critic expected (Schulman et al., 2016). The actor's loss is ``fb.PolicyGradient``: its targets are
the action, its advantage, and the logarithm of its probability when it was taken.
"""

import argparse

import numpy as np
from control import CartPoles

import fastbp as fb

DISCOUNT, LAMBDA, COPIES, HORIZON, ROUNDS, EPOCHS, BATCH = 0.99, 0.95, 16, 64, 80, 6, 256


def sample(policy, states, rng):
    """Return an action for each state, by its probability, and the logarithm of that."""
    p = policy.predict(states)
    actions = (rng.random(len(states)) < p[:, 1]).astype(int)
    return actions, np.log(p[np.arange(len(states)), actions])


def evaluate(policy, seed):
    """Return the mean number of steps of 20 episodes, by the most probable actions."""
    poles, lengths, standing = CartPoles(20, seed), np.zeros(20), np.ones(20, bool)
    for _ in range(CartPoles.most_steps):
        _, _, _, ended = poles.step(policy.predict(poles.states).argmax(axis=1))
        lengths += standing
        standing &= ~ended
    return lengths.mean()


def play(poles, policy, critic, rng):
    """Return states, actions, log-probabilities, advantages and returns of the next steps, [HORIZON, COPIES, ...]."""
    states, actions, log_p, surprises, goes_on, values = [], [], [], [], [], []
    for _ in range(HORIZON):
        states.append(poles.states)
        chosen, log_probability = sample(policy, poles.states, rng)
        rewards, after, fell, ended = poles.step(chosen)
        values.append(critic.predict(states[-1])[:, 0])
        surprises.append(rewards + DISCOUNT * (1 - fell) * critic.predict(after)[:, 0] - values[-1])
        actions.append(chosen)
        log_p.append(log_probability)
        goes_on.append(1 - ended)
    advantages, to_come = np.array(surprises), 0.0
    for t in reversed(range(HORIZON)):
        to_come = advantages[t] = surprises[t] + DISCOUNT * LAMBDA * goes_on[t] * to_come
    return (np.concatenate(each) for each in (states, actions, log_p, advantages, advantages + values))


def train(seed):
    """Return the trained policy."""
    rng = np.random.default_rng(seed)
    policy = fb.Model([fb.Dense(64, "tanh"), fb.Dense(64, "tanh"), fb.Dense(2, "softmax")], inputs=4, seed=seed)
    critic = fb.Model([fb.Dense(64, "tanh"), fb.Dense(64, "tanh"), fb.Dense(1)], inputs=4, seed=seed + 1)
    loss = fb.PolicyGradient(clip=0.2, entropy=0.01)
    actor_trainer = fb.Trainer(policy, loss, optimizer=fb.Adam(1e-3), clip_norm=0.5)
    critic_trainer = fb.Trainer(critic, "mse", optimizer=fb.Adam(2e-3), clip_norm=5.0)
    poles = CartPoles(COPIES, seed)
    for _ in range(ROUNDS):
        states, actions, log_p, advantages, returns = play(poles, policy, critic, rng)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        targets = np.column_stack([actions, advantages, log_p])
        for _ in range(EPOCHS):
            order = rng.permutation(len(states))
            for start in range(0, len(states), BATCH):
                rows = order[start : start + BATCH]
                actor_trainer.step(states[rows], targets[rows])
                critic_trainer.step(states[rows], returns[rows, None])
    return policy


def main():
    parser = argparse.ArgumentParser(description="Balance a pole by proximal policy optimisation.")
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    print(f"mean steps of 20 episodes, 500 at most: {evaluate(train(seed), seed + 1000):.1f}")


if __name__ == "__main__":
    main()
