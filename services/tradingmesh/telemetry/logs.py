"""Structured logs: a JSON object a line on standard error, each with component, instance and, where known, trace id."""

import logging
import sys
from typing import Any

import structlog

Logger = structlog.typing.FilteringBoundLogger


def configure(level: str, **constant: str) -> Logger:
    """The process's logger. What libraries log through `logging` comes out the same way, from WARNING on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    log: Logger = structlog.get_logger().bind(**constant)
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward(log)], force=True)
    return log


class _Forward(logging.Handler):
    """Hands a library's record to the structured logger."""

    def __init__(self, log: Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = repr(record.exc_info[1])
        self._log.log(record.levelno, record.getMessage(), **fields)
