"""Tools for all other packages: checks of arguments, names for objects, threads, files.
It imports engine.
"""
