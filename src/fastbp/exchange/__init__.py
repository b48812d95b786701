"""Models for other programs, and models of other libraries: ONNX, C, PyTorch, Keras and scikit-learn.

It imports data, layers, preparation, schedules and support.
What leaves is described by a Blueprint, and what comes in is a list of layers with their arrays: so this package knows
nothing of fb.Model, which stands above it and hands on its methods.
"""
