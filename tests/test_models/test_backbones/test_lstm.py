import torch

from agv2.models.backbones.lstm import RecurrentBlock


def _block(rows_per_start: int, reach: int = 15) -> RecurrentBlock:
    torch.manual_seed(0)
    return RecurrentBlock(8, 1, reach, rows_per_start, dropout=0.0).double().eval()


def _window_after_window(block: RecurrentBlock, x: torch.Tensor) -> torch.Tensor:
    width = block.reach + 1
    return torch.cat([block(x[:, bar : bar + width]) for bar in range(x.shape[1] - block.reach)], dim=1)


def test_a_start_for_every_row_is_window_after_window() -> None:
    x = torch.randn(2, 60, 8, dtype=torch.float64)
    torch.testing.assert_close(_block(1)(x), _window_after_window(_block(1), x))


def test_the_first_row_of_each_start_is_exact_and_the_next_is_not() -> None:
    block, x = _block(10), torch.randn(2, 60, 8, dtype=torch.float64)
    apart = (block(x) - _window_after_window(block, x)).abs().amax(dim=(0, 2))
    assert apart.shape == (45,)
    assert apart[::10].max() < 1e-14
    assert apart[1::10].min() > 1e-9


def test_no_row_reads_more_bars_from_before_its_window_than_it_may() -> None:
    block = _block(10)
    x = torch.randn(1, 60, 8, dtype=torch.float64, requires_grad=True)
    rows = block(x)[0]
    for row in range(len(rows)):
        (gradient,) = torch.autograd.grad(rows[row].sum(), x, retain_graph=True)
        read = gradient[0].abs().amax(-1).nonzero().flatten()
        assert read.tolist() == list(range(row - row % 10, row + 16))


def test_gates_start_with_memories_of_up_to_an_eighth_of_the_window() -> None:
    torch.manual_seed(0)
    block = RecurrentBlock(64, 2, 511, 256, dropout=0.0)
    for layer in range(2):
        forget = getattr(block.lstm, f"bias_ih_l{layer}")[64:128]
        kept = forget.sigmoid()
        bars = 1.0 / (1.0 - kept)
        assert bars.min() < 10
        assert 40 < bars.max() <= 65 + 1e-3
