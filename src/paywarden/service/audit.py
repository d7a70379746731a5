"""The audit log of API and console: a line of JSON for what was decided, by whom; no token of a card is in it."""

from __future__ import annotations

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
