"""Several models: parallel training, ensembles, cross-validation, and the search for wrong labels.

It imports training and what that imports.
"""
