"""Questions made from the OpenAPI page itself, right ones and wrong ones: none may make the service fail."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from agv2.deploy.audit_chain import verify_chain
from tests.test_deploy.conftest import Serve
from tests.untrained_bundles import ToldBars

schemathesis = pytest.importorskip(
    "schemathesis", reason="optional: python bootstrap.py install --with schemathesis", exc_type=ImportError
)

FEW = settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(900)
def test_no_question_makes_it_fail_and_every_answer_is_on_the_page(serve: Serve, told_bars: ToldBars) -> None:
    served = serve("attribution.enabled=false")
    assert served.ask("POST", "/v1/decide", json=told_bars.question(2_900)).status_code == 200
    schema = schemathesis.openapi.from_dict(served.ask("GET", "/v1/openapi.json").json())
    headers = {"Authorization": f"Bearer {served.tokens['operator']}"}
    asked: dict[str, set[int]] = {}

    def ask(case: Any) -> None:
        answer = case.call(base_url=served.url, headers=headers)
        asked.setdefault(case.operation.label, set()).add(answer.status_code)
        assert answer.status_code < 500, answer.text

    for found in schema.exclude(path="/v1/events").get_all_operations():  # it never ends by itself
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            cases = found.ok().as_strategy(generation_mode=mode)
            try:
                given(case=cases)(FEW(lambda case: ask(case)))()
            except Exception as error:
                if type(error).__name__ != "Unsatisfiable":  # nothing can be wrong where nothing is asked
                    raise
    assert len(asked) >= 10
    assert 422 in asked["POST /v1/decide"]
    assert {200, 422} <= asked["POST /v1/kill"]
    assert verify_chain(served.service.parts.audit).problem == ""
    assert served.ask("GET", "/ready", "").status_code == 200
