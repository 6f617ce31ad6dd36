"""Random orchestrations with sub-orchestrations, rewound until nothing fails any more.

COUNTERSIGN_PROOF=1 tries a hundred, not ten.
"""

import itertools
import json
import os
from collections import Counter
from typing import Any

from durabletask import task
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hubs import HubUnderTest

EXAMPLES = 100 if os.environ.get("COUNTERSIGN_PROOF") else 10

# A plan is a list of groups, which run one after the other. The steps of a group run in parallel. A step is an
# activity, given by how often it fails, or a sub-orchestration, given by its own plan.
_GROUPS = st.recursive(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=1, max_size=2),
    lambda plan: st.lists(st.lists(st.integers(0, 2) | plan, min_size=1, max_size=3), min_size=1, max_size=2),
    max_leaves=6,
)


def walk(ctx: task.OrchestrationContext, given: dict[str, Any]) -> Any:
    out = []
    for number, group in enumerate(given["plan"]):
        steps: list[task.Task[Any]] = []
        for place, step in enumerate(group):
            name = f"{given['name']}.{number}.{place}"
            if isinstance(step, int):
                steps.append(ctx.call_activity("act", input=[name, step]))
            else:
                below = {"name": name, "plan": step}
                steps.append(ctx.call_sub_orchestrator(walk, input=below, instance_id=name))
        out.append((yield task.when_all(steps)))
    return out


def expected(name: str, plan: list[Any], runs: Counter[str]) -> Any:
    """The output of a plan in which nothing fails any more. Adds to `runs` how often each activity ran."""
    out = []
    for number, group in enumerate(plan):
        results: list[Any] = []
        for place, step in enumerate(group):
            path = f"{name}.{number}.{place}"
            if isinstance(step, int):
                runs[path] = step + 1
                results.append(path)
            else:
                results.append(expected(path, step, runs))
        out.append(results)
    return out


def test_rewound_until_nothing_fails_each_activity_has_succeeded_once(ours: HubUnderTest) -> None:
    runs: Counter[str] = Counter()
    names = (f"family-{number}" for number in itertools.count())

    def act(_ctx: task.ActivityContext, given: list[Any]) -> str:
        name, failures = given
        runs[name] += 1
        if runs[name] <= failures:
            raise OSError(name)
        return str(name)

    ours.work(walk, activities=(act,))

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(_GROUPS)
    def rewind_until_done(plan: list[Any]) -> None:
        runs.clear()
        name = next(names)
        ours.start(walk, {"name": name, "plan": plan}, instance_id=name)
        while ours.done(name).runtime_status.name == "FAILED":
            ours.client.rewind_orchestration(name)
        wanted: Counter[str] = Counter()
        assert json.loads(ours.done(name).serialized_output or "") == expected(name, plan, wanted)
        assert runs == wanted

    rewind_until_done()
