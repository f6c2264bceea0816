"""Where and with how much a component runs in a cluster: what is handed to its chart."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from tradingmesh.contract.fields import ObjectName, Spec, Text, Whole, amount

Quantity = Annotated[
    str, BeforeValidator(amount), Field(pattern=r"^[0-9]{1,15}([.][0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", max_length=24)
]
"""An amount of a resource as Kubernetes writes it: `500m`, `2`, `1Gi`."""
LabelKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$", max_length=316)]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
Amounts = Annotated[dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity], Field(max_length=3)]


class ResourcesSpec(Spec):
    """What a pod is promised, and what it may not pass."""

    requests: Amounts = Field(default_factory=dict)
    """What a pod is promised."""
    limits: Amounts = Field(default_factory=dict)
    """What it may not pass: more memory ends it, more CPU slows it down."""


class TolerationSpec(Spec):
    """A taint of nodes that does not keep the pods away."""

    key: LabelKey | None = None
    """Of the taint; unset with operator Exists, any."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Whether the taint has to be there, or to have this value."""
    value: LabelValue | None = None
    """Of the taint, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Of the taint; unset, any."""
    toleration_seconds: Annotated[Whole, Field(ge=0)] | None = None
    """How long NoExecute is borne; unset, for good."""


class VariableSpec(Spec):
    """One variable of the environment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
    """What the program asks for."""
    value: Text = ""
    """What it is answered."""


class VolumeSpec(Spec):
    """The volume of a component that keeps something."""

    storage_class_name: ObjectName | None = None
    """Chosen once; unset, the cluster's default."""


class ComponentSpec(Spec):
    """What one component has instead of its chart's own values. A change restarts that component."""

    resources: ResourcesSpec | None = None
    pod_annotations: Annotated[dict[LabelKey, Text], Field(max_length=32)] = Field(default_factory=dict)
    """Annotations of its pods."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(default_factory=dict)
    """Labels that a node must have to run it."""
    tolerations: list[TolerationSpec] = Field(default_factory=list, max_length=16)
    """Taints of nodes that do not keep it away."""
    extra_env: list[VariableSpec] = Field(default_factory=list, max_length=32)
    """More variables of its environment."""
    persistence: VolumeSpec | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
    """From which weight on it writes log lines."""
