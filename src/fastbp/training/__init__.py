"""The trainer and its parts: settings, reading of data, step numbers, epochs, evaluation, state, files.

It imports callbacks and models, and what these import.
"""
