"""Import fastbp, PyTorch, scikit-learn and LightGBM in every order, and have two threads at work in each.

Each of them may bring an OpenMP runtime of its own. Every order runs in a process of its own; one that does not end, or
ends otherwise than it should, is an error.
"""

import itertools
import subprocess
import sys

import numpy as np

SECONDS = 300
rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 64)).astype(np.float32)
y = (X[:, 0] > 0).astype(np.int64)


def run_fastbp():
    import fastbp as fb

    model = fb.Model([fb.Dense(256, "relu"), fb.Dense(256, "relu"), fb.Dense(2, "softmax")], inputs=64)
    fb.Trainer(model, "cross_entropy", batch_size=512, n_threads=2).fit(X, y, epochs=2, progress=False)
    assert np.isfinite(model.predict(X, n_threads=2)).all()


def run_torch():
    import torch

    torch.set_num_threads(2)
    net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 2))
    loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(X)), torch.from_numpy(y))
    loss.backward()
    assert torch.isfinite(loss)


def run_sklearn():
    from sklearn.ensemble import HistGradientBoostingClassifier

    assert HistGradientBoostingClassifier(max_iter=5).fit(X, y).score(X, y) > 0.5


def run_lightgbm():
    import lightgbm

    lightgbm.train({"num_threads": 2, "verbose": -1, "objective": "binary"}, lightgbm.Dataset(X, y), 5)


LIBRARIES = {"fastbp": run_fastbp, "torch": run_torch, "sklearn": run_sklearn, "lightgbm": run_lightgbm}


def main(names):
    if names:
        for name in names:  # all imports first: the order in which the runtimes are loaded
            __import__(name)
        for name in [*names, names[0]]:
            LIBRARIES[name]()
        return 0
    failed = []
    for order in itertools.permutations(LIBRARIES):
        try:
            done = subprocess.run([sys.executable, __file__, *order], capture_output=True, text=True, timeout=SECONDS)
            why = "" if done.returncode == 0 else f"exit code {done.returncode}: {done.stderr.strip()[-500:]}"
        except subprocess.TimeoutExpired:
            why = f"not done after {SECONDS} s"
        print(" ".join(order), "-", why or "as it should be", flush=True)
        failed += [order] if why else []
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
