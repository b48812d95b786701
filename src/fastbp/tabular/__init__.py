"""Tables in one call: from raw columns to an ensemble of networks.
It imports callbacks, data, engine, ensembles, exchange, explanations, layers, losses, models, optimizers,
preparation, privacy, schedules, support and training.
"""
