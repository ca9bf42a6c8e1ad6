import torch

from agv2.app.policy_vote import abstention_note, voted_policy
from agv2.models.policy import PolicyNetwork


def a_network(side: int, sure: float) -> PolicyNetwork:
    network = PolicyNetwork(8, 15, (4,), (4,)).eval()
    with torch.no_grad():
        network.action_net.weight.zero_()
        network.action_net.bias.zero_()
        network.action_net.bias[side] = sure
    return network


LONG, SHORT, FLAT = a_network(1, 1.0), a_network(2, 0.5), a_network(0, 20.0)
TRADES, ABSTAINS = {"abstains": 0.0, "left_out_t": 3.0}, {"abstains": 1.0, "left_out_t": 1.25}


def choice(network: PolicyNetwork) -> int:
    return int(network(torch.ones(1, 8)).logits[0, :3].argmax())


def test_those_that_trade_decide_unless_most_abstain() -> None:
    assert choice(voted_policy([LONG, SHORT, FLAT], [TRADES, TRADES, ABSTAINS])) == 1
    assert choice(voted_policy([LONG, FLAT], [TRADES, ABSTAINS])) == 1
    assert choice(voted_policy([LONG, FLAT, FLAT], [TRADES, ABSTAINS, ABSTAINS])) == 0
    assert choice(voted_policy([FLAT], [ABSTAINS])) == 0


def test_the_note_says_who_abstains_and_why() -> None:
    assert abstention_note("fold 1", [TRADES], 2.0) is None
    assert "fold 2: the policy abstains, and nothing is traded: on training bars left out" in str(
        abstention_note("fold 2", [ABSTAINS], 2.0)
    )
    some = str(abstention_note("fold 3", [TRADES, TRADES, ABSTAINS], 2.0))
    assert "1 of 3 policies abstain: " in some
    assert "1.2 standard errors" in some
