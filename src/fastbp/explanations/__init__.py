"""Explanations of what a model says: of single rows, of columns, and what would have to change for another answer.
It imports data, engine, ensembles, layers, losses, models, preparation and support.
"""
