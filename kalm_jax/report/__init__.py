"""Results to readers: the terminal table, the figures and one self-contained HTML page."""

from kalm_jax.report.page import ReportData, build_report
from kalm_jax.report.tables import terminal_table

__all__ = ["ReportData", "ReportLabels", "build_report", "terminal_table"]
