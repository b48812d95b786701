"""The report of ``fastbp train``, and the sentences about a training that matter most.

Numbers (``curves``, ``confusion``, ``rows``, ``importance``, ``training_course``), sentences (``problems``,
``highlights``), pictures (``charts``, drawn by ``pictures``) and HTML (``markup``, ``sections``, ``page``) are apart.
"""

from fastbp.commands.report.highlights import describe_classes, highlights
from fastbp.commands.report.page import write_report
from fastbp.commands.report.problems import describe_copies, describe_leaks, describe_problems, findings_of

__all__ = [
    "describe_classes",
    "describe_copies",
    "describe_leaks",
    "describe_problems",
    "findings_of",
    "highlights",
    "write_report",
]
