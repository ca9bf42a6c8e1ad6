import torch

from agv2.app.policy_vote import evidence_note, voted_policy
from agv2.models.policy import PolicyNetwork


def a_network(side: int, sure: float) -> PolicyNetwork:
    network = PolicyNetwork(8, 15, (4,), (4,)).eval()
    with torch.no_grad():
        network.action_net.weight.zero_()
        network.action_net.bias.zero_()
        network.action_net.bias[side] = sure
    return network


LONG, SHORT, FLAT = a_network(1, 1.0), a_network(2, 0.5), a_network(0, 20.0)
TRADES = {"abstains": 0.0, "left_out_t": 3.0, "first_size_frac": 1.0}
ABSTAINS = {"abstains": 1.0, "left_out_t": 1.25, "first_size_frac": 0.25}


def choice(network: PolicyNetwork) -> int:
    return int(network(torch.ones(1, 8)).logits[0, :3].argmax())


def test_those_that_trade_decide_unless_most_abstain() -> None:
    assert choice(voted_policy([LONG, SHORT, FLAT], [TRADES, TRADES, ABSTAINS])) == 1
    assert choice(voted_policy([LONG, FLAT], [TRADES, ABSTAINS])) == 1
    assert choice(voted_policy([LONG, FLAT, FLAT], [TRADES, ABSTAINS, ABSTAINS])) == 0
    assert choice(voted_policy([FLAT], [ABSTAINS])) == 0


def test_the_note_says_what_trading_was_worth_and_what_follows() -> None:
    assert evidence_note("fold 1", [{"abstains": 0.0}], 2.0) is None
    assert evidence_note("fold 1", [TRADES], 2.0) == (
        "fold 1: on training bars left out, holding the likeliest sides was worth 3.0 standard errors after costs: "
        "what trades begins at 100% of the targeted size"
    )
    alone = str(evidence_note("fold 2", [ABSTAINS], 2.0))
    assert "1.2 standard errors" in alone
    assert alone.endswith("least_t asks for 2: the policy abstains, and nothing is traded")
    some = str(evidence_note("fold 3", [TRADES, TRADES, ABSTAINS], 2.0))
    assert "1 of 3 policies abstain; 3.0, 3.0 standard errors" in some
