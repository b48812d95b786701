"""Models: architecture, weights, prediction and files. They do not know of training.
It imports data, engine, exchange, layers, losses, preparation, schedules and support.
"""
