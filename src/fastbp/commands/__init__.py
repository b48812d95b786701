"""The commands of ``fastbp``, a module for each; fastbp.cli reads the command line."""
