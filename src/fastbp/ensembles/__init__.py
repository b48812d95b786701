"""Several models: parallel training, ensembles, cross-validation, and the search for wrong labels.
It imports callbacks, data, exchange, layers, losses, metrics, models, preparation, privacy, support and training.
"""
