"""Settings: one YAML file, one frozen model, one owner.

A setting comes from three layers, each laid over the one before: the file that ships with AGV2, the file of the same
name in the directory given by `--config`, and `--set file.key=value`. What is wrong is said in one line that names
the layer, the key and the nearest right one.
"""

import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, model_validator

from agv2.core.errors import ConfigError

__all__ = [
    "Config",
    "Override",
    "SymbolConfig",
    "config_digest",
    "load_config",
    "parse_override",
    "require_known_files",
    "save_config",
    "shipped_config_dir",
]

ConfigT = TypeVar("ConfigT", bound=BaseModel)
EntryT = TypeVar("EntryT", bound=BaseModel)

_DEFAULT = "default"
_TYPO_SIMILARITY = 0.8
_UNKNOWN_KEY_ERRORS = ("extra_forbidden", "unexpected_keyword_argument")


class Config(BaseModel):
    """A frozen group of settings that refuses keys it does not know.

    A subclass may define the class method `merge_layer(base, layer) -> dict` to decide what a layer that sets one key
    says about another; without it the layer's keys replace the base's, group by group.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, settings: Any) -> Any:
        """YAML's true and false would pass as 1 and 0."""
        if isinstance(settings, dict):
            for key, value in settings.items():
                field = cls.model_fields.get(key)
                if isinstance(value, bool) and field is not None and field.annotation is not bool:
                    raise ValueError(f"{key} must not be {str(value).lower()}")
        return settings


class SymbolConfig(RootModel[dict[str, EntryT]], Generic[EntryT]):
    """One entry a symbol, each laid over the entry `default`."""

    model_config = ConfigDict(frozen=True)

    def entry(self, symbol: str) -> tuple[EntryT, bool]:
        """The settings of `symbol`, and whether they are only the default's."""
        known = symbol in self.root and symbol != _DEFAULT
        return self.root[symbol if known else _DEFAULT], not known


class Override(NamedTuple):
    """One `--set file.key=value`."""

    file: str
    keys: tuple[str, ...]
    value: Any

    @property
    def text(self) -> str:
        """The option as a person would write it, up to the equals sign."""
        return f"--set {'.'.join((self.file, *self.keys))}"


class _Layer(NamedTuple):
    source: str
    settings: dict[str, Any]


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML ships no types
    """YAML in which a key written twice is an error: the second one used to win unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key_node.value} appears twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return cast(dict[Any, Any], super().construct_mapping(node, deep))


def shipped_config_dir() -> Path:
    """Directory of the default settings: inside the installed package, or beside `src` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_config"
    return installed if installed.is_dir() else package.parents[1] / "config"


def parse_override(text: str) -> Override:
    """Read `costs.default.half_spread_frac=0.0001`; the value is YAML.

    Raises:
        ConfigError: there is no `=`, no key, or the file is none of the shipped ones.
    """
    path, equals, value = text.partition("=")
    file, *keys = path.strip().split(".")
    if not equals or not keys or not all(keys):
        raise ConfigError(f"--set {text}: write it as file.key=value, such as costs.default.half_spread_frac=0.0001")
    if file not in _shipped_names():
        raise ConfigError(f"--set {text}: there is no {file}.yaml{_nearest(file, _shipped_names())}")
    try:
        return Override(file, tuple(keys), yaml.load(value, Loader=_StrictLoader))  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML ({_yaml_problem(error)})") from error


def load_config(
    model: type[ConfigT], name: str, directory: Path | None = None, overrides: Sequence[Override] = ()
) -> ConfigT:
    """Settings of `<name>.yaml`: shipped, then from `directory`, then from `overrides`.

    Args:
        model: what the file mirrors: a `Config`, or a `SymbolConfig` whose entries are laid over `default`.
        name: file name without `.yaml`.
        directory: holds files that differ from the shipped ones, or is one; each may hold only what differs.
        overrides: those of other files are passed over.

    Raises:
        ConfigError: a file cannot be read, or a file name, key or value is wrong.
    """
    layers = [_Layer(f"{name}.yaml (shipped)", _read_yaml(shipped_config_dir() / f"{name}.yaml"))]
    if directory is not None:
        require_known_files(directory)
        own = directory if directory.is_file() else directory / f"{name}.yaml"
        if own.stem == name and own.is_file():
            layers.append(_Layer(str(own), _read_yaml(own)))
    layers += [_Layer(each.text, _nested(each.keys, each.value)) for each in overrides if each.file == name]

    settings: dict[str, Any] = {}
    for layer in layers:
        settings = _lay_over(model, settings, layer.settings, layer.source)
    if (entry_model := _entry_model(model)) is not None:
        default = settings.get(_DEFAULT, {})
        settings = {_DEFAULT: default} | {
            symbol: _merge(entry_model, default, entry) for symbol, entry in settings.items() if symbol != _DEFAULT
        }
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(_explain(model, error, layers)) from error


def save_config(config: BaseModel, path: Path) -> None:
    """Write `config` as the YAML that `load_config` reads back to an equal model."""
    text = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def config_digest(configs: Mapping[str, BaseModel | dict[str, object]]) -> str:
    """SHA-256 (hexadecimal) of settings by file name; the order of files and keys does not matter."""
    canonical = json.dumps(_plain(configs), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """The settings as dicts, lists and scalars; pydantic itself would write a named tuple as a bare list."""
    if isinstance(value, RootModel):
        return _plain(value.root)
    if isinstance(value, BaseModel):
        return {key: _plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return getattr(value, "value", value)  # an enum by its value


def _shipped_names() -> list[str]:
    return sorted(path.stem for path in shipped_config_dir().glob("*.yaml"))


def require_known_files(directory: Path) -> None:
    """Refuse settings that are missing, or a YAML file of another name than the shipped ones.

    Args:
        directory: of such files, or one of them.

    Raises:
        ConfigError: naming the file and the nearest right name.
    """
    if not directory.exists():
        raise ConfigError(f"--config {directory}: there is no such directory or file")
    known = _shipped_names()
    if directory.is_file() and directory.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"--config {directory}: expected a directory of settings, or a YAML file of them")
    for path in [directory] if directory.is_file() else sorted(directory.iterdir()):
        if path.suffix in (".yaml", ".yml") and (path.suffix == ".yml" or path.stem not in known):
            raise ConfigError(f"{path}: no settings file has this name{_nearest(path.stem, known, '.yaml')}")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_yaml_problem(error)}") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {type(settings).__name__}")
    return {str(key): value for key, value in settings.items()}


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not valid YAML"
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)


def _nested(keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    return cast(dict[str, Any], value)


def _lay_over(model: type[BaseModel], base: dict[str, Any], layer: dict[str, Any], source: str) -> dict[str, Any]:
    entry_model = _entry_model(model)
    if entry_model is None:
        return _merge(model, base, layer)
    merged = dict(base)
    for symbol, entry in layer.items():
        if symbol != _DEFAULT and difflib.SequenceMatcher(None, symbol.lower(), _DEFAULT).ratio() > _TYPO_SIMILARITY:
            raise ConfigError(f"{source}: {symbol} is unknown; did you mean {_DEFAULT}?")
        if not isinstance(entry, dict | None):
            raise ConfigError(f"{source}: {symbol} holds {entry!r}, expected `key: value` lines")
        merged[symbol] = _merge(entry_model, base.get(symbol, {}), entry or {})
    return merged


def _merge(model: type[BaseModel], base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    hook = getattr(model, "merge_layer", None)
    return cast(dict[str, Any], hook(base, layer)) if hook is not None else _deep_merge(base, layer)


def _deep_merge(base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in layer.items():
        below = merged.get(key)
        merged[key] = _deep_merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _entry_model(model: type[BaseModel]) -> type[BaseModel] | None:
    if not issubclass(model, SymbolConfig):
        return None
    return cast(type[BaseModel], typing.get_args(model.model_fields["root"].annotation)[1])


def _explain(model: type[BaseModel], error: ValidationError, layers: Sequence[_Layer]) -> str:
    """The first problem in one line; the rest usually follows from it."""
    problem = error.errors(include_url=False)[0]
    keys = [str(key) for key in problem["loc"]]
    source = next((layer.source for layer in reversed(layers) if _holds(layer.settings, keys)), layers[-1].source)
    dotted = ".".join(keys)
    if problem["type"] in _UNKNOWN_KEY_ERRORS:
        return f"{source}: {dotted} is unknown{_nearest(keys[-1], _known_keys(model, keys[:-1]))}"
    message = problem["msg"].removeprefix("Value error, ").replace("\n", " ")
    if problem["type"] in ("missing", "missing_argument"):
        return f"{source}: {dotted} is missing"
    if not keys or isinstance(problem["input"], dict | BaseModel):
        return f"{source}: {dotted + ': ' if dotted else ''}{message}"
    return f"{source}: {dotted} = {problem['input']!r}: {message[:1].lower()}{message[1:]}"


def _holds(settings: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(settings, dict) or key not in settings:
            return False
        settings = settings[key]
    return True


def _nearest(key: str, known: Sequence[str], suffix: str = "") -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"; did you mean {close[0]}{suffix}?" if close else ""


def _known_keys(model: type[Any], path: Sequence[str]) -> list[str]:
    """Names allowed at `path` below `model`."""
    here: list[Any] = [model]
    for key in path:
        here = [below for each in here for below in _below(each, key)]
    return sorted({name for each in here for name in _fields(each)})


def _fields(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and hasattr(kind, "_fields"):
        return typing.get_type_hints(kind)
    return {}


def _below(kind: Any, key: str) -> Iterator[Any]:
    """Types found under `key` of a value of type `kind`, unions and containers opened."""
    if isinstance(kind, type) and issubclass(kind, RootModel):
        yield from _below(kind.model_fields["root"].annotation, key)
    elif key in (fields := _fields(kind)):
        yield from _opened(fields[key])
    elif typing.get_origin(kind) is dict:
        yield from _opened(typing.get_args(kind)[1])
    elif typing.get_origin(kind) in (list, tuple):
        yield from _opened(typing.get_args(kind)[0])


def _opened(kind: Any) -> Iterator[Any]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        for each in typing.get_args(kind):
            yield from _opened(each)
    elif typing.get_origin(kind) is typing.Annotated:
        yield from _opened(typing.get_args(kind)[0])
    else:
        yield kind
