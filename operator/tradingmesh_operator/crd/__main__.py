"""`python -m tradingmesh_operator.crd`: writes the definition to where people and the operator's chart have it."""

from pathlib import Path

from tradingmesh_operator.crd.written import written


def main() -> None:
    """Writes each file anew, from the root of the repository."""
    for path, text in written(Path.cwd()).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
