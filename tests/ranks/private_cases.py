"""Private training on several ranks: one secret key for all, and sentences that all are told."""

import os

import numpy as np
from cases import classifier, data, digest, private

import fastbp as fb


def private_secret(mpi, path):
    """Train with a secret key, of which each rank has one at first, and save after the first epoch; or go on."""
    X, y = data()
    if os.path.exists(path):
        trainer = fb.Trainer.load(path, distributed=mpi)
    else:
        model = classifier(fb.Dense(40, "tanh"), fb.Dropout(0.1))
        trainer = fb.Trainer(model, "cross_entropy", privacy=private(secure=True), shards=8, distributed=mpi)
    own_key = trainer.privacy.keys.key.hex()
    if trainer.history.n_epochs == 0:
        trainer.fit(X, y)
        trainer.save(path)
    trainer.fit(X, y)
    return mpi.all_objects([own_key, trainer.privacy.keys.key.hex(), digest(trainer)], "the keys")


def private_errors(mpi):
    """What the ranks are told of private rows, where one of them has a NaN, and where the ranks' rows differ."""
    X, y = data()
    bad = X.copy()
    bad[77, 2] = np.nan
    sentences = []
    for rows in (bad, X + (mpi.rank == 1) * np.float32(1), X[:50]):
        trainer = fb.Trainer(classifier(), "cross_entropy", privacy=private(), shards=8, distributed=mpi)
        try:
            trainer.fit(rows, y[: len(rows)], epochs=20)
        except ValueError as error:
            sentences.append(str(error))
    return mpi.all_objects((sentences, trainer.privacy.n_steps), "the sentences")
