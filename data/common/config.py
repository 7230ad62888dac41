"""Configs: one complete YAML file per experiment, read into frozen dataclasses.

Missing keys, unknown keys and values of the wrong type are errors, so the `config.yaml` of a run says all that it did.
Keys that were added after runs had finished have the behaviour of those runs as a default. They may be missing, and are
written only if they differ from the default, so the configs of old run folders stay equal.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from data.common.errors import UserError
from data.common.files import read_yaml

Schema = TypeVar("Schema")


def read_config(schema: type[Schema], path: Path, overrides: list[str] | None = None) -> Schema:
    """Reads a YAML file into a dataclass. Nested dataclasses are the sections of the file.

    Args:
        schema: dataclass with fields of type bool, int, float, str, `tuple[str, ...]`, `Literal[...]` or another
            dataclass. Fields with a default may be missing from the file.
        path: the file.
        overrides: strings `section.key=value` that replace values of the file.

    Raises:
        UserError: the file does not exist or is malformed, or a key or value does not match the schema.
    """
    values = read_yaml(path, "config", "the repository has configs in <room>/configs/<preset>/<data set>/")
    _add_defaults(schema, values)
    for override in overrides or []:
        _override(values, override)
    return _build(schema, values, path, prefix="")


def write_config(config: Any) -> str:
    """The YAML text of a config dataclass: keys in the order of its fields, without keys that have their default value.

    Example:
        >>> @dataclasses.dataclass
        ... class Config:
        ...     rate: float
        ...     stride: int = 2
        >>> print(write_config(Config(0.5)), end="")
        rate: 0.5
    """
    return yaml.safe_dump(_without_defaults(config), sort_keys=False)


def _without_defaults(config: Any) -> dict[str, Any]:
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return {
        name: _without_defaults(value) if dataclasses.is_dataclass(value) else value
        for name, value in values.items()
        if value != defaults[name]
    }


def _add_defaults(schema: type, values: Any) -> None:
    """Adds the defaults of missing keys to the nested dictionary `values`, in place."""
    if not isinstance(values, dict):
        return
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        if dataclasses.is_dataclass(hints[field.name]):
            _add_defaults(hints[field.name], values.get(field.name))
        elif field.default is not dataclasses.MISSING:
            values.setdefault(field.name, field.default)


def _override(values: Any, override: str) -> None:
    """Replaces one value of the nested dictionary `values`, in place."""
    key, equals, text = override.partition("=")
    *sections, name = key.split(".")
    for section in sections:
        values = values.get(section) if isinstance(values, dict) else None
    if not equals or not isinstance(values, dict) or name not in values:
        raise UserError(f"--set {override}: no such key; use section.key=value with a key of the config file")
    try:
        values[name] = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"--set {override}: the value is not valid YAML ({error}); quote it") from None


def _build(schema: type[Schema], values: Any, path: Path, prefix: str) -> Schema:
    hints = get_type_hints(schema)
    where = f"section {prefix[:-1]}" if prefix else "the file"
    if not isinstance(values, dict):
        raise UserError(f"{path}: {where} must have the keys {', '.join(hints)}")
    if unknown := [str(key) for key in values if key not in hints]:
        raise UserError(f"{path}: unknown key {prefix}{unknown[0]}; {where} can have {', '.join(hints)}")
    if missing := [key for key in hints if key not in values]:
        raise UserError(f"{path}: key {prefix}{missing[0]} is missing; a config must be complete")
    fields = {key: _value(hint, values[key], path, prefix + key) for key, hint in hints.items()}
    try:
        return schema(**fields)
    except ValueError as error:
        raise UserError(f"{path}: {prefix}{error}") from None


def _value(hint: Any, value: Any, path: Path, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, path, prefix=key + ".")
    if get_origin(hint) is Literal:
        if value not in get_args(hint) or isinstance(value, bool):
            raise UserError(f"{path}: {key} is {value!r}; it must be one of {', '.join(map(str, get_args(hint)))}")
        return value
    if hint == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(type(each) is str for each in value):
            raise UserError(f"{path}: {key} is {value!r}; it must be a list of names, such as [car, person]")
        return tuple(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        hint_at_yaml = " (in YAML, 1e-3 is text and 1.0e-3 a number)" if hint is float else ""
        raise UserError(f"{path}: {key} is {value!r}; it must be of type {hint.__name__}{hint_at_yaml}")
    return value
