"""The trainer and its parts: settings, intake, the numbers of a step, epochs, evaluation, state, files.

It imports callbacks, models and all that these import.
"""
