"""Options of a program's command line."""


def flags(given: dict[str, object]) -> list[str]:
    """`--name=value` of each."""
    return [f"--{name}={value}" for name, value in given.items()]
