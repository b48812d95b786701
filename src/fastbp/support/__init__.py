"""Tools for all other packages: checks of arguments, names for objects, threads, files.

It imports the engine, for the number of threads and the build's options, and nothing else of fastbp.
"""
