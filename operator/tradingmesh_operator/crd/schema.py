"""From a pydantic model to the structural schema that Kubernetes wants: no references, one type a value.

A number that has to be exact is an int-or-string, a default is what the model has, a description is its docstring. What
a schema cannot say is said by the rules of `crd.rules`.
"""

import types
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from tradingmesh.contract import fields
from tradingmesh_operator.crd.rule import Rule
from tradingmesh_operator.crd.rules import LIST_KEYS, rules_of
from tradingmesh_operator.crd.shapes import (
    AMOUNT_BOUNDS,
    Schema,
    bounded_duration,
    exact,
    int_or_text,
    keys_rule,
)

_NO_DEFAULT: Any = object()


def schema_of(model: type[BaseModel], instance: BaseModel | None = None) -> Schema:
    """The schema of an object. The defaults are those of `instance`, where there is one, else those of the model."""
    properties, required = {}, []
    for name, field in model.model_fields.items():
        default = getattr(instance, name) if instance is not None else _default(field)
        key = field.alias or name
        properties[key] = _property(model, name, field, default)
        if default is _NO_DEFAULT:
            required.append(key)
    schema: Schema = {"type": "object", "description": _text(model.__doc__), "properties": properties}
    if required:
        schema["required"] = required
    return _ruled(schema, rules_of(model))


def _property(model: type[BaseModel], name: str, field: FieldInfo, default: Any) -> Schema:
    schema = _value(field.annotation, list(field.metadata), None if default is _NO_DEFAULT else default)
    if field.description:
        schema["description"] = _text(field.description)
    if field.description and "x-kubernetes-int-or-string" in schema:
        schema["description"] += " A whole number, or one in quotes."
    extra = field.json_schema_extra
    if isinstance(extra, dict):
        schema.update(extra)
    if schema.get("type") == "array" and (keys := LIST_KEYS.get((model, name))):
        schema.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys})
    said = _said(field, default, schema)
    if said is not None:
        schema["default"] = said
    return _ruled(schema, rules_of((model, name)))


def _value(annotation: Any, metadata: list[Any], default: Any) -> Schema:
    annotation, metadata = _unfolded(annotation, metadata)
    bounds = _bounds(metadata)
    reads = [one.func for one in metadata if isinstance(one, BeforeValidator)]
    if fields.duration_ms in reads:
        return bounded_duration(bounds)
    if get_origin(annotation) in (Union, types.UnionType):
        return _union([_unfolded(one, []) for one in get_args(annotation)])
    if annotation is Decimal:
        return exact(bounds)
    if fields.amount in reads:
        return int_or_text({**bounds, **AMOUNT_BOUNDS})
    if get_origin(annotation) is list:
        return _list(get_args(annotation)[0], metadata, bounds)
    if get_origin(annotation) is dict:
        key, value = get_args(annotation)
        return _map(key, value, bounds)
    return _plain(
        annotation, bounds, default, whole=any(getattr(one, "func", None) is fields.whole for one in metadata)
    )


def _plain(annotation: Any, bounds: Schema, default: Any, *, whole: bool) -> Schema:
    if get_origin(annotation) is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if issubclass(annotation, BaseModel):
        return schema_of(annotation, default)
    if issubclass(annotation, StrEnum):
        return {"type": "string", "description": _text(annotation.__doc__), "enum": [one.value for one in annotation]}
    if annotation is bool:
        return {"type": "boolean"}
    if annotation is int:
        limits = {"minimum": -fields.WHOLE_MAX, "maximum": fields.WHOLE_MAX} if whole else {}
        return {"type": "integer", "format": "int32" if whole else "int64", **limits, **bounds}
    if annotation is str:
        return {"type": "string", **bounds}
    raise TypeError(f"no schema for {annotation}")


def _union(branches: list[tuple[Any, list[Any]]]) -> Schema:
    kinds = {annotation: _bounds(metadata) for annotation, metadata in branches}
    words = [word for annotation in kinds if get_origin(annotation) is Literal for word in get_args(annotation)]
    if Decimal in kinds and words:
        return exact(kinds[Decimal], words)
    if set(kinds) == {int, str}:
        return int_or_text({**kinds[str], "minimum": -fields.WHOLE_MAX, "maximum": fields.WHOLE_MAX})
    raise TypeError(f"no schema for one of {', '.join(map(str, kinds))}")


def _list(item: Any, metadata: list[Any], bounds: Schema) -> Schema:
    once = any(getattr(one, "func", None) is fields.differ for one in metadata)
    renamed = {name.replace("Length", "Items"): value for name, value in bounds.items()}
    kind = "set" if once else "atomic"
    return {"type": "array", "items": _value(item, [], None), "x-kubernetes-list-type": kind, **renamed}


def _map(key: Any, value: Any, bounds: Schema) -> Schema:
    key, metadata = _unfolded(key, [])
    if get_origin(key) is Literal or (isinstance(key, type) and issubclass(key, StrEnum)):
        names = get_args(key) if get_origin(key) is Literal else [one.value for one in key]
        return {"type": "object", "properties": {name: _value(value, [], None) for name in names}}
    renamed = {name.replace("Length", "Properties"): limit for name, limit in bounds.items()}
    schema: Schema = {"type": "object", "additionalProperties": _value(value, [], None), **renamed}
    return _ruled(schema, [rule for rule in [keys_rule(_bounds(metadata))] if rule])


def _unfolded(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any]]:
    """What is inside `Annotated` and `Optional`, with everything that was said of it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *said = get_args(annotation)
            metadata = [*said, *metadata]
            continue
        branches = [one for one in get_args(annotation) if one is not types.NoneType]
        if get_origin(annotation) in (Union, types.UnionType) and len(branches) == 1:
            annotation = branches[0]
            continue
        return annotation, list(_flat(metadata))


def _flat(metadata: list[Any]) -> Iterator[Any]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from _flat(one.metadata)
        else:
            yield one


def _bounds(metadata: list[Any]) -> Schema:
    """What limits a value, in the schema's words."""
    found: Schema = {}
    for one in metadata:
        match one:
            case Ge():
                found["minimum"] = one.ge
            case Gt():
                found |= {"minimum": one.gt, "exclusiveMinimum": True}
            case Le():
                found["maximum"] = one.le
            case Lt():
                found |= {"maximum": one.lt, "exclusiveMaximum": True}
            case MinLen():
                found["minLength"] = one.min_length
            case MaxLen():
                found["maxLength"] = one.max_length
        if one is fields.symbol or getattr(one, "func", None) is fields.symbol:
            found |= {"pattern": fields.SYMBOL_PATTERN, "maxLength": fields.SYMBOL_MAX_BYTES}
        if getattr(one, "pattern", None):
            found["pattern"] = one.pattern
        if isinstance(getattr(one, "max_length", None), int):
            found["maxLength"] = one.max_length
    return found


def _default(field: FieldInfo) -> Any:
    return _NO_DEFAULT if field.is_required() else field.get_default(call_default_factory=True)


def _said(field: FieldInfo, default: Any, schema: Schema) -> Any:
    """The default as a manifest would say it; none for what is unset or empty.

    Of an object all of it is said: the API server checks it against the rules before it fills in what is inside.
    """
    if isinstance(default, BaseModel):
        return {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    if default is _NO_DEFAULT or default is None or default in ([], {}, ""):
        return None
    annotated: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(annotated).dump_python(default, mode="json")


def _ruled(schema: Schema, rules: list[Rule]) -> Schema:
    said = [*schema.get("x-kubernetes-validations", []), *(rule.said() for rule in rules)]
    return {**schema, "x-kubernetes-validations": said} if said else schema


def _text(docstring: str | None) -> str:
    return " ".join((docstring or "").replace("`", "").split())
