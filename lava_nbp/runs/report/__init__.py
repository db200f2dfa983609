"""A training run as one HTML page that needs nothing else: figures, tables, and the phase player."""

from lava_nbp.runs.report.page import REPORT, write_report

__all__ = ["REPORT", "write_report"]
