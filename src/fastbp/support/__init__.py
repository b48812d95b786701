"""What everything else may use: checks of arguments, names for objects, threads, files.

It imports the engine, for the threads that there are and what it was built with, and nothing else of fastbp.
"""
