import pytest

from agv2.models.backbones.config import TcnConfig, TransformerConfig


def test_the_default_dilations_double_to_a_receptive_field_of_512() -> None:
    assert TcnConfig().dilations(512) == (1, 2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(("window", "kernel"), [(32, 3), (100, 3), (3, 2), (77, 2), (2, 3), (257, 4)])
def test_dilations_add_up_to_the_window_without_a_hole(window: int, kernel: int) -> None:
    seen = {0, 1}
    for dilation in TcnConfig(kernel=kernel).dilations(window):
        seen = {bars + tap * dilation for bars in seen for tap in range(kernel)}
    assert seen == set(range(window))


def test_the_default_reaches_double_to_a_window_of_512() -> None:
    assert TransformerConfig().reaches(512) == (34, 68, 136, 273)


@pytest.mark.parametrize("layers", range(1, 11))
def test_reaches_add_up_to_the_window_and_none_is_empty(layers: int) -> None:
    for window in range(layers + 1, 140):
        reaches = TransformerConfig(layers=layers).reaches(window)
        assert len(reaches) == layers
        assert sum(reaches) == window - 1
        assert min(reaches) >= 1


@pytest.mark.parametrize("kernel", [2, 3, 4, 7])
def test_the_fitting_window_is_the_next_that_the_dilations_meet(kernel: int) -> None:
    config = TcnConfig(kernel=kernel)
    for wanted in range(2, 40):
        fitting = config.fitting_window(wanted)
        met = [w for w in range(wanted, wanted + kernel) if 2 + sum(config.dilations(w)) * (kernel - 1) == w]
        assert fitting == met[0]
