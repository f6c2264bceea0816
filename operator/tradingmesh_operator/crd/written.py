"""The files that hold the definition."""

from pathlib import Path

import yaml

from tradingmesh_operator.crd.definition import definition

_HEAD = "# Written by `make crd` from the models of tradingmesh.contract: change those.\n"


def written(root: Path) -> dict[Path, str]:
    """Each file of the repository in `root` that holds the definition, with its text.

    In the operator's chart it is a template, so that an upgrade brings the new one. It stays when the chart goes, for
    every TradingSystem would go with it.
    """
    found = definition()
    kept = {**found, "metadata": {**found["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}}
    return {
        root / "manifests" / "crd.yaml": _HEAD + _yaml(found),
        root / "charts" / "tradingmesh-operator" / "templates" / "crd.yaml": _template(_yaml(kept)),
    }


def _template(text: str) -> str:
    return f"{_HEAD}{{{{- if .Values.installCRD }}}}\n{text}{{{{- end }}}}\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - what is alike is written twice: Kubernetes' tools want it so
        return True


def _yaml(content: object) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=160, allow_unicode=True)
