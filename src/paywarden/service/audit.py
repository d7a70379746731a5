"""The audit log of API and console: a line of JSON for what was decided, by whom; no token of a card is in it."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

AuditLog = structlog.typing.FilteringBoundLogger


def audit_log(to: TextIO | None = None) -> AuditLog:
    """A logger that writes JSON lines, by default to standard error."""
    logger: AuditLog = structlog.wrap_logger(
        structlog.WriteLogger(to or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    return logger


class AuditHandler(logging.Handler):
    """Hands what a library logs to the audit log: an exception is then a line of JSON, too."""

    def __init__(self, log: AuditLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with the logger's name and what was raised."""
        self._log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def hear(library: str, log: AuditLog) -> None:
    """Have warnings and errors of a library's loggers in the audit log, and nowhere else."""
    logger = logging.getLogger(library)
    logger.handlers, logger.propagate = [AuditHandler(log)], False
    logger.setLevel(logging.WARNING)
