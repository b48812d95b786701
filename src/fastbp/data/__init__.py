"""From whatever the user has to what the engine reads: arrays, data frames, sparse matrices, chunks.
It imports engine and support.

It does not know what a loss or a model is: what it asks of a loss is a protocol.
"""
