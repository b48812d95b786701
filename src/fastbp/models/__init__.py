"""A model: its architecture, its weights, and what can be asked of them.

It imports preparation, layers, losses, data, support and the engine. It does not know of training.
"""
