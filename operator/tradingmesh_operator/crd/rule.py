"""A rule in CEL, the language in which the API server checks what a schema cannot say."""

from typing import Any, NamedTuple


class Rule(NamedTuple):
    """An expression that has to hold, what is said where it does not, and which field is then named."""

    rule: str
    message: str
    path: str = ""

    def said(self) -> dict[str, Any]:
        """As the definition has it."""
        told = {"rule": self.rule, "message": self.message, "fieldPath": self.path}
        return {name: value for name, value in told.items() if value}
