"""A learning rate that a callback sets inside an epoch, on rank 0 alone, where the other ranks go on with another."""

from cases import classifier, data, digest, private

import fastbp as fb


class SetsTheRateInside(fb.Callback):
    """Halves the learning rate after the second step."""

    def on_step_end(self, trainer, figures):
        if trainer.n_steps == 2:
            trainer.learning_rate /= 2


def rate_set_inside(mpi):
    """What each rank gets, of plain and of private training, and what it has after it has gone on."""
    X, y = data()
    seen = []
    for options in ({"batch_size": 128}, {"privacy": private(), "metrics": []}):
        trainer = fb.Trainer(classifier(), "cross_entropy", "sgd", shards=8, distributed=mpi, **options)
        sentence = "none"
        try:
            trainer.fit(X, y, epochs=2, callbacks=SetsTheRateInside())
        except RuntimeError as error:
            sentence = str(error)
        n_steps = trainer.n_steps
        trainer.learning_rate = 0.05  # on all: rank 0 has kept what its callback set
        trainer.fit(X, y)
        seen.append([sentence, n_steps, digest(trainer)])
    return mpi.all_objects(seen, "what was seen")
