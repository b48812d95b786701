"""What the ``fastbp`` command does, a module for each of its words; fastbp.cli reads what was typed."""
