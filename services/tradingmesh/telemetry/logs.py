"""Structured logs: a JSON object a line on standard error, each with component, instance and, where known, trace id."""

import logging
import sys
import time
from typing import Any

import structlog

Logger = structlog.typing.FilteringBoundLogger
ALIKE_PER_S = 20
_KINDS_MAX = 1_000


def configure(level: str, **constant: str) -> Logger:
    """The process's logger. What libraries log through `logging` comes out the same way, from WARNING on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _Sparing(),
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


class _Sparing:
    """Lets at most `ALIKE_PER_S` lines of one event through in a second: whoever sends garbage must not fill the disk.

    The next line of that event says in `left_out` how many were not written; the counters have them all.
    """

    def __init__(self) -> None:
        self._seen: dict[object, tuple[int, int]] = {}

    def __call__(self, _logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event, second = line["event"], int(time.monotonic())
        since, count = self._seen.get(event, (second, 0))
        if since == second and count >= ALIKE_PER_S:
            self._seen[event] = (since, count + 1)
            raise structlog.DropEvent
        if since != second:
            if count > ALIKE_PER_S:
                line["left_out"] = count - ALIKE_PER_S
            count = 0
        if len(self._seen) >= _KINDS_MAX:
            self._seen.clear()
        self._seen[event] = (second, count + 1)
        return line
