from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import yaml
from pydantic import Field, model_validator

from agv2.core.errors import ConfigError
from agv2.utils import config as config_module
from agv2.utils.config import (
    Config,
    Override,
    SymbolConfig,
    config_digest,
    load_config,
    parse_override,
    require_known_files,
    save_config,
    shipped_config_dir,
)


class Costs(NamedTuple):
    half_spread_frac: float
    slippage_frac: float = 0.0


class CostEntry(Config):
    costs: Costs
    spread_source: Literal["constant", "bar"]

    @classmethod
    def merge_layer(cls, base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
        merged = base | layer | {"costs": base.get("costs", {}) | layer.get("costs", {})}
        if "half_spread_frac" in layer.get("costs", {}) and "spread_source" not in layer:
            merged["spread_source"] = "constant"
        return merged


class CostsFile(SymbolConfig[CostEntry]):
    """Stands for `costs.yaml`."""


class Optimiser(Config):
    learning_rate: float = Field(gt=0.0)
    steps: int


class EncoderFile(Config):
    window: int
    optimiser: Optimiser
    horizons: tuple[int, ...] = (1, 3)

    @model_validator(mode="after")
    def _window_holds_horizons(self) -> "EncoderFile":
        if max(self.horizons) >= self.window:
            raise ValueError(f"horizons reach {max(self.horizons)} bars, beyond the window of {self.window}")
        return self


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "shipped"
    directory.mkdir()
    (directory / "costs.yaml").write_text(
        "default: {costs: {half_spread_frac: 0.0001, slippage_frac: 0.00002}, spread_source: bar}\n"
        "XAUUSD: {costs: {slippage_frac: 0.00001}}\n"
    )
    (directory / "encoder.yaml").write_text("window: 512\noptimiser: {learning_rate: 0.001, steps: 100}\n")
    monkeypatch.setattr(config_module, "shipped_config_dir", lambda: directory)
    return directory


@pytest.fixture
def own(tmp_path: Path, shipped: Path) -> Path:
    directory = tmp_path / "own"
    directory.mkdir()
    return directory


def message_of(error: pytest.ExceptionInfo[ConfigError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_missing_files_fall_back_to_the_shipped_ones(own: Path) -> None:
    (own / "costs.yaml").write_text("default: {spread_source: constant}\n")
    assert load_config(EncoderFile, "encoder", own).window == 512
    assert load_config(CostsFile, "costs", own).entry("default")[0].spread_source == "constant"


def test_a_file_may_hold_only_what_differs(own: Path) -> None:
    (own / "encoder.yaml").write_text("optimiser: {steps: 7}\n")
    config = load_config(EncoderFile, "encoder", own)
    assert config.optimiser == Optimiser(learning_rate=0.001, steps=7)


def test_an_override_wins_over_the_file_and_the_last_one_over_the_first(own: Path) -> None:
    (own / "encoder.yaml").write_text("optimiser: {steps: 7}\n")
    overrides = [parse_override("encoder.optimiser.steps=8"), parse_override("encoder.optimiser.steps=9")]
    assert load_config(EncoderFile, "encoder", own, overrides).optimiser.steps == 9


def test_overrides_of_other_files_are_passed_over(shipped: Path) -> None:
    override = parse_override("costs.default.spread_source=constant")
    assert load_config(EncoderFile, "encoder", None, [override]).window == 512


def test_a_symbol_is_laid_over_the_default_entry(shipped: Path) -> None:
    config = load_config(CostsFile, "costs")
    gold, is_default = config.entry("XAUUSD")
    assert (gold.costs, gold.spread_source, is_default) == (Costs(0.0001, 0.00001), "bar", False)


def test_an_unlisted_symbol_gets_the_default_entry_and_says_so(shipped: Path) -> None:
    entry, is_default = load_config(CostsFile, "costs").entry("EURUSD")
    assert (entry.costs.slippage_frac, is_default) == (0.00002, True)


def test_merge_hook_sees_which_keys_a_layer_sets(shipped: Path) -> None:
    override = parse_override("costs.XAUUSD.costs.half_spread_frac=0.0003")
    gold = load_config(CostsFile, "costs", None, [override]).entry("XAUUSD")[0]
    assert (gold.spread_source, gold.costs) == ("constant", Costs(0.0003, 0.00001))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("windw: 3", "windw is unknown; did you mean window?"),
        ("optimiser: {stesp: 3}", "optimiser.stesp is unknown; did you mean steps?"),
        ("window: wide", "window = 'wide': input should be a valid integer"),
        ("optimiser: {learning_rate: -1}", "optimiser.learning_rate = -1: input should be greater than 0"),
        ("optimiser: {learning_rate: .nan}", "optimiser.learning_rate = nan: input should be a finite number"),
        ("window: 2", "horizons reach 3 bars, beyond the window of 2"),
        ("[1, 2]", "expected `key: value` lines, found list"),
        ("window: 1\nwindow: 2", "line 2: window appears twice"),
        ("window: [1", "line 1: "),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_naming_file_key_and_remedy(own: Path, text: str, expected: str) -> None:
    (own / "encoder.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(EncoderFile, "encoder", own)
    message = message_of(error)
    assert message.startswith(str(own / "encoder.yaml"))
    assert expected in message


def test_unknown_key_of_a_named_tuple_names_the_nearest_field(own: Path) -> None:
    (own / "costs.yaml").write_text("EURUSD: {costs: {half_spred_frac: 0.1}}\n")
    with pytest.raises(
        ConfigError, match=r"EURUSD\.costs\.half_spred_frac is unknown; did you mean half_spread_frac\?"
    ):
        load_config(CostsFile, "costs", own)


def test_a_misspelt_default_is_not_taken_for_a_symbol(own: Path) -> None:
    (own / "costs.yaml").write_text("defualt: {spread_source: bar}\n")
    with pytest.raises(ConfigError, match="defualt is unknown; did you mean default"):
        load_config(CostsFile, "costs", own)


def test_a_wrong_override_is_named_as_the_option_not_as_the_file(own: Path) -> None:
    (own / "encoder.yaml").write_text("window: 600\n")
    with pytest.raises(ConfigError, match=r"^--set encoder\.optimiser\.stps: optimiser\.stps is unknown"):
        load_config(EncoderFile, "encoder", own, [parse_override("encoder.optimiser.stps=3")])


def test_an_unknown_file_in_the_directory_is_refused(own: Path) -> None:
    (own / "cost.yaml").write_text("{}\n")
    with pytest.raises(ConfigError, match=r"cost\.yaml: no settings file has this name; did you mean costs\.yaml\?"):
        load_config(EncoderFile, "encoder", own)


def test_a_missing_directory_is_refused(tmp_path: Path, shipped: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such directory or file"):
        load_config(EncoderFile, "encoder", tmp_path / "nowhere")


def test_one_file_will_do_and_is_laid_over_nothing_else(tmp_path: Path, shipped: Path) -> None:
    (tmp_path / "encoder.yaml").write_text("window: 64\n")
    (tmp_path / "costs.yaml").write_text("not: read\n")
    path = tmp_path / "encoder.yaml"
    assert load_config(EncoderFile, "encoder", path).window == 64
    require_known_files(path)
    assert load_config(CostsFile, "costs", path) == load_config(CostsFile, "costs")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("encoders.yaml", r"no settings file has this name; did you mean encoder\.yaml\?"),
        ("encoder.json", "a YAML file"),
    ],
)
def test_one_file_of_another_name_is_refused(tmp_path: Path, shipped: Path, name: str, said: str) -> None:
    (tmp_path / name).write_text("window: 64\n")
    with pytest.raises(ConfigError, match=said):
        require_known_files(tmp_path / name)


def test_other_files_in_the_directory_are_left_alone(own: Path) -> None:
    (own / "notes.txt").write_text("mine")
    assert load_config(EncoderFile, "encoder", own).window == 512


@pytest.mark.parametrize(
    ("text", "value"),
    [("encoder.window=3", 3), ("encoder.horizons=[1, 2]", [1, 2]), ("encoder.window=a=b", "a=b"), ("encoder.x=", None)],
)
def test_override_values_are_yaml(shipped: Path, text: str, value: object) -> None:
    override = parse_override(text)
    assert (override.file, override.value) == ("encoder", value)


def test_small_numbers_in_exponent_form_are_numbers(shipped: Path) -> None:
    override = parse_override("encoder.optimiser.learning_rate=1e-4")
    assert load_config(EncoderFile, "encoder", None, [override]).optimiser.learning_rate == 1e-4


@pytest.mark.parametrize("text", ["encoder", "encoder=1", "encoder.window", "encoder..window=1", "=1"])
def test_an_override_without_file_key_and_value_shows_the_form(shipped: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"write it as file\.key=value"):
        parse_override(text)


def test_an_override_of_an_unknown_file_names_the_nearest(shipped: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no cost\.yaml; did you mean costs\?"):
        parse_override("cost.default.half_spread_frac=1")


def test_saved_settings_load_to_an_equal_model(tmp_path: Path, own: Path) -> None:
    config = load_config(CostsFile, "costs", None, [Override("costs", ("EURUSD", "spread_source"), "constant")])
    save_config(config, own / "costs.yaml")
    assert load_config(CostsFile, "costs", own) == config
    assert yaml.safe_load((own / "costs.yaml").read_text())["XAUUSD"]["costs"]["half_spread_frac"] == 0.0001


def test_digest_follows_values_and_not_the_order_of_files(shipped: Path) -> None:
    costs, encoder = load_config(CostsFile, "costs"), load_config(EncoderFile, "encoder")
    other = load_config(EncoderFile, "encoder", None, [parse_override("encoder.window=513")])
    digest = config_digest({"costs": costs, "encoder": encoder})
    assert digest == config_digest({"encoder": encoder, "costs": costs})
    assert digest != config_digest({"costs": costs, "encoder": other})


def test_models_are_frozen() -> None:
    settings = Optimiser(learning_rate=0.1, steps=1)
    with pytest.raises(ValueError, match="frozen"):
        settings.steps = 2


def test_shipped_directory_of_a_checkout_is_beside_src() -> None:
    assert shipped_config_dir() == Path(__file__).resolve().parents[2] / "config"
