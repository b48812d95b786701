"""Exclusive or, the first example of many textbooks on backpropagation, step by step.

    python examples/xor.py

Four samples: y is 1 if exactly one of the first two inputs is 1. The third input is always 1, the classic "bias
column". The network, with sigmoids, is trained by full-batch gradient descent on the mean squared error. Every step is
computed twice, by hand in NumPy and by fastbp, and the two must agree.
"""

import numpy as np

import fastbp as fb

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.float64)  # (4 samples, 3 inputs)
y = np.array([[0], [1], [1], [0]], dtype=np.float64)  # (4 samples, 1 output)

LEARNING_RATE = 2.0
N_STEPS = 2000


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def forward(weights, X):
    """[X, A of each layer], where A = sigmoid(Z) and Z = A_below @ W + b."""
    activations = [X]
    for W, b in zip(weights[0::2], weights[1::2], strict=True):
        Z = activations[-1] @ W + b
        activations.append(sigmoid(Z))
    return activations


def mean_squared_error(A, y):
    return np.mean((A - y) ** 2)


def backward(weights, activations, y):
    """[dW0, db0, dW1, db1, ...], computed from the last layer to the first.

    Write L for the loss and z for the input of a unit's sigmoid: a = sigmoid(z), z = sum of a_below w + b. A weight w
    changes L only through the z's that it is part of, so

        dL/dw = sum of dL/dz dz/dw,  where dz/dw = a_below,
        dL/db = sum of dL/dz dz/db,  where dz/db = 1,

    summed over the samples; and the layer below changes L through all the units above it:

        dL/da_below = sum over units of dL/dz dz/da_below,  where dz/da_below = w.

    Between z and a is the sigmoid, whose slope is da/dz = a (1 - a).
    """
    A = activations[-1]
    dA = 2 * (A - y) / A.size  # the output gradient: dL/da of L = mean (a - y)^2
    gradients = []
    for i in reversed(range(len(weights) // 2)):
        A, A_below = activations[i + 1], activations[i]
        dZ = dA * A * (1 - A)
        dW = A_below.T @ dZ
        db = dZ.sum(axis=0)
        gradients = [dW, db, *gradients]
        dA = dZ @ weights[2 * i].T
    return gradients


def update(weights, gradients):
    """Gradient descent: every weight takes a step against its gradient."""
    return [w - LEARNING_RATE * d for w, d in zip(weights, gradients, strict=True)]


def assert_all_close(mine, theirs, what):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12, err_msg=f"NumPy and fastbp disagree: {what}")


def show_one_step(model):
    """One step in full, each quantity by hand and by fastbp."""
    weights = model.get_weights()

    print("  1. forward: A = sigmoid(A_below @ W + b), layer by layer")
    activations = forward(weights, X)
    print(f"     outputs       {np.round(activations[-1].ravel(), 4)}  for y = {y.ravel()}")
    assert_all_close([activations[-1]], [model.predict(X)], "outputs")

    print("  2. loss: L = mean (A - y)^2")
    loss = mean_squared_error(activations[-1], y)
    library_loss, library_gradients = model.loss_and_gradients(X, y, loss="mse")
    print(f"     by hand       {loss:.12f}\n     fastbp        {library_loss:.12f}")
    assert_all_close([loss], [library_loss], "loss")

    print("  3. backward: dA = 2 (A - y) / n, then layer by layer dZ = dA A (1 - A), dW = A_below.T @ dZ, db = sum dZ")
    gradients = backward(weights, activations, y)
    for i in reversed(range(len(gradients) // 2)):
        for name, mine, theirs in zip(
            ("dW", "db"), gradients[2 * i :][:2], library_gradients[2 * i :][:2], strict=True
        ):
            difference = np.max(np.abs(mine - theirs))
            print(f"     {name} of layer {i}: {np.round(mine.ravel()[:3], 5)}..., fastbp's differs by {difference:.1e}")
    assert_all_close(gradients, library_gradients, "gradients")

    print("  4. update: W <- W - learning_rate dW, b <- b - learning_rate db")
    make_trainer(model).step(X, y)
    assert_all_close(update(weights, gradients), model.get_weights(), "updated weights")
    model.set_weights(weights)  # back to the start
    print("     the same weights by hand and by fastbp")


def make_one_layer():
    return fb.Model([fb.Dense(1, "sigmoid")], inputs=3, dtype="float64", seed=1)


def make_with_hidden_layer():
    return fb.Model([fb.Dense(4, "sigmoid"), fb.Dense(1, "sigmoid")], inputs=3, dtype="float64", seed=1)


def make_trainer(model):
    return fb.Trainer(model, loss="mse", optimizer=fb.SGD(LEARNING_RATE), batch_size=None, shuffle=False)


def train(model):
    """Train in NumPy and in fastbp, comparing after every step; return the last loss."""
    trainer = make_trainer(model)
    weights = model.get_weights()
    for step in range(1, N_STEPS + 1):
        activations = forward(weights, X)
        loss = mean_squared_error(activations[-1], y)
        weights = update(weights, backward(weights, activations, y))
        assert_all_close([loss], [trainer.step(X, y)], f"loss of step {step}")
        if step in (1, 10, 100, 300, 1000) or step == N_STEPS:
            print(f"  step {step:5d}: loss {loss:.6f}")
    assert_all_close(weights, model.get_weights(), f"weights after {N_STEPS} steps")
    print(f"  NumPy and fastbp agreed at every step; outputs: {np.round(model.predict(X).ravel(), 3)}")
    return loss


def main():
    print("One layer of one unit: 3 inputs -> 1 sigmoid.")
    loss = train(make_one_layer())
    assert abs(loss - 0.25) < 1e-3, loss
    print("  No line separates the ones from the zeros. The best it can do is to output 1/2 each time: loss 0.25.\n")

    hidden = make_with_hidden_layer()
    print("A hidden layer of four units before it: 3 inputs -> 4 sigmoid -> 1 sigmoid. Its first step in full:")
    show_one_step(hidden)
    print("All the steps:")
    loss = train(hidden)
    assert loss < 0.01, loss
    assert np.array_equal(np.round(hidden.predict(X)), y)
    print("  Learned.\n")

    again = make_with_hidden_layer()
    history = make_trainer(again).fit(X, y, epochs=N_STEPS)
    assert_all_close(hidden.get_weights(), again.get_weights(), "fit and step")
    print(f"The same in one call, trainer.fit(X, y, epochs={N_STEPS}): loss {history['loss'][-1]:.6f}")


if __name__ == "__main__":
    main()
