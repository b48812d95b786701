"""The trainer and its parts: settings, reading of data, step numbers, epochs, evaluation, state, files.
It imports callbacks, data, distributed, engine, layers, losses, metrics, models, optimizers, preparation, privacy,
schedules and support.
"""
