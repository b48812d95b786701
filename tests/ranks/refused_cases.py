"""What all ranks refuse alike: a learning rate that one of them sets inside an epoch, and losses that none knows."""

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


def losses_asked_for(mpi):
    """What each rank gets where it asks for the loss of each sample; then a step that all can make."""
    X, y = data()
    trainer = fb.Trainer(classifier(), "cross_entropy", shards=8, distributed=mpi)
    sentence = "none"
    try:
        trainer.step(X, y, return_losses=True)
    except ValueError as error:
        sentence = str(error)
    trainer.step(X, y)
    return mpi.all_objects([sentence, trainer.n_steps, digest(trainer)], "what was seen")
