"""The results of a run for readers: the terminal's table, the figures and one self-contained HTML page."""

from kalm_jax.report.contents import ReportData
from kalm_jax.report.page import build_report
from kalm_jax.report.tables import terminal_table

__all__ = ["ReportData", "build_report", "terminal_table"]
