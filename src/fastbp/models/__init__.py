"""Models: architecture, weights, prediction and files.

It imports preparation, layers, losses, data, support and the engine, but not training.
"""
