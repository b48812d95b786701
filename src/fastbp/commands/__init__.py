"""The commands of ``fastbp``, a module for each; fastbp.cli reads the command line.
It imports data, engine, explanations, fastbp, inspection, metrics, models, preparation, privacy, sklearn, support
and tabular.
"""
