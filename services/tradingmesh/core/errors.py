"""The kinds of error. Each tells who must act and how; a shell turns it into one line, never a stack trace."""


class TradingMeshError(Exception):
    """Base of every error that tradingmesh raises on purpose."""


class ConfigError(TradingMeshError):
    """The manifest, the environment or a command line is wrong: whoever wrote it must mend the named field."""


class InputError(TradingMeshError):
    """Data from outside does not fit: the sentence names where it stands. Nothing already taken in is lost."""


class WireError(TradingMeshError):
    """Bytes from a socket are not a message of ours: drop, count, go on."""


class BrokerError(TradingMeshError):
    """The broker refused or could not be reached."""


class JournalError(TradingMeshError):
    """Durable state is damaged or cannot be written: an operator must look before trading goes on."""


class IllegalTransitionError(TradingMeshError):
    """An order event does not fit the order's state; the state is unchanged."""
