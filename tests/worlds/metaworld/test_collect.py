"""Meta-world's collection, batches of episodes and evaluation: seeds alone decide; realism accepts what is real."""

import dataclasses

import jax
import numpy as np
import pytest

from benchmarks import metaworld_experts
from kalm_jax.evaluation import episode_rows, evaluate
from kalm_jax.types import Episodes
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.metaworld.behaviors import expert_policy
from kalm_jax.worlds.metaworld.collect import attempts, collect
from kalm_jax.worlds.metaworld.episodes import make_episodes
from kalm_jax.worlds.metaworld.goals import FAMILIES, satisfied
from kalm_jax.worlds.metaworld.realism import KINDS, LIMITS, TURNING, box, unrealistic
from kalm_jax.worlds.metaworld.recording import Recorded, record
from kalm_jax.worlds.metaworld.rewards import rewards
from kalm_jax.worlds.metaworld.simulator import TaskSimulator
from kalm_jax.worlds.metaworld.tasks import HAND, LEVEL_TASKS, NAMES, TARGET, entity_slot, task_of
from kalm_jax.worlds.metaworld.vector_simulator import MetaworldSimulator


@pytest.fixture(scope="module")
def collected():
    return collect(3, 10, processes=1)


def test_rollouts_succeed_and_name_their_task(collected):
    rollouts, goals = collected
    assert rollouts.terminated.all() and not rollouts.imagined.any() and rollouts.actions.shape == (10, 100, 4)
    family = goals.family[rollouts.goal]
    assert sorted(FAMILIES[f] for f in family) == sorted(LEVEL_TASKS["offline"])
    last = rollouts.observations[np.arange(10), rollouts.length]
    reached = satisfied(family, goals.array[rollouts.goal], last)
    not_reach = family != FAMILIES.index("reach")  # tested at the fingertips, which are observed to 3 mm
    assert reached[not_reach].all()
    assert (rollouts.rewards[np.arange(10), rollouts.length - 1] == 10.0).all()
    assert not rollouts.observations[np.arange(101) > rollouts.length[:, None]].any()
    assert np.abs(rollouts.actions).max() <= 1.0
    labelled = rewards(family, goals.array[rollouts.goal], rollouts.observations, rollouts.actions, rollouts.length)
    assert np.median(np.abs(labelled - rollouts.rewards)[rollouts.valid()]) < 0.01


def test_the_number_of_processes_changes_nothing(collected):
    seen = []
    again, _ = collect(3, 10, processes=2, progress=lambda done, total: seen.append((done, total)))
    jax.tree.map(np.testing.assert_array_equal, collected[0], again)
    assert seen[-1] == (10, 10) and [d for d, _ in seen] == sorted(d for d, _ in seen)


def test_half_of_the_attempts_begin_where_the_arm_has_strayed():
    simulator = TaskSimulator("coffee-button")
    straight = [record(simulator, np.random.default_rng(seed), 0.0) for seed in range(12)]
    strayed = [record(simulator, np.random.default_rng(seed), 0.0, stray=30) for seed in range(12)]
    simulator.close()
    went = np.array([np.linalg.norm((a.observations[0] - b.observations[0])[HAND]) for a, b in zip(straight, strayed)])
    assert 3 <= (went > 0.01).sum() <= 9 and went.max() < 0.6
    button = entity_slot("coffee-button")
    for a, b, distance in zip(straight, strayed, went):
        np.testing.assert_allclose(b.observations[0, button], a.observations[0, button], atol=0.05)
        assert b.success and (distance > 0.01 or len(a.actions) == len(b.actions))


def test_bad_settings_are_refused():
    for wrong in ({"num_rollouts": 0}, {"noise": -1.0}, {"stray": -1}, {"level": "easy"}, {"distractor": "often"}):
        with pytest.raises(ValueError):
            collect(0, **{"num_rollouts": 1, "processes": 1} | wrong)


def test_batches_do_not_depend_on_processes_or_company():
    family, seeds = np.array([0, 4, 4, 9]), np.array([5, 6, 7, 5])
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 4, 4))
    active = np.array([True, True, False, True])
    paths = []
    for processes in (1, 2):
        with MetaworldSimulator(processes, distractor="step") as simulator:
            play = simulator.begin(family, seeds)
            path = [play.states.copy()]
            for action in actions:
                play.step(active, action)
                path.append(play.states.copy())
            alone = simulator.begin(family[1:2], seeds[1:2])
            for action in actions:
                alone.step(np.array([True]), action[1:2])
            np.testing.assert_array_equal(alone.states[0], play.states[1])
            with pytest.raises(ValueError, match="finite"):  # also when it happens in a worker
                play.step(active, np.full((4, 4), np.nan))
            play.close()
        paths.append(np.stack(path))
    np.testing.assert_array_equal(*paths)
    np.testing.assert_array_equal(paths[0][0, 2], paths[0][-1, 2])
    assert (paths[0][0, 0] != paths[0][-1, 0]).any()


def test_bad_episodes_are_refused():
    with pytest.raises(ValueError, match="integers"):
        MetaworldSimulator(1).begin(np.array([0]), np.array([0.5]))
    with pytest.raises(ValueError, match="processes"):
        MetaworldSimulator(0)


def test_evaluation_plays_the_expert_and_random_actions():
    episodes = make_episodes("offline", 10, 0)
    assert sorted(episodes.family) == list(range(10))
    with MetaworldSimulator(1) as simulator:
        expert = evaluate(expert_policy(), episodes, simulator)
        random = evaluate(get_world("metaworld").random_policy(0), episodes, simulator)
        short = evaluate(expert_policy(), episodes, simulator, horizon=20)
    assert expert.success.sum() >= 8 and random.success.sum() <= 2 and not short.success.any()
    assert (random.steps[~random.success] == 100).all() and (short.steps == 20).all()
    table = episode_rows(get_world("metaworld"), expert, episodes, "expert", "expert", 0, "greedy")
    assert {row["family"] for row in table} == set(LEVEL_TASKS["offline"])
    again = make_episodes("offline", 10, 0)
    np.testing.assert_array_equal(again.states, episodes.states)
    assert not np.array_equal(make_episodes("offline", 10, 1).states, episodes.states)


@pytest.mark.parametrize(
    ("policy", "by_tool"), [(expert_policy(), True), (metaworld_experts.push_nail, False)], ids=["expert", "hand"]
)
def test_a_nail_is_driven_in_by_the_hammer_or_by_the_hand_and_results_say_by_which(policy, by_tool):
    world, goals = get_world("metaworld"), get_world("metaworld").goals("unseen_hard")
    hammer = int(np.flatnonzero(goals.family == NAMES.index("hammer"))[0])
    soccer = int(np.flatnonzero(goals.family == NAMES.index("soccer"))[0])
    episodes = Episodes(np.array([3, 4, 5]), np.array([hammer, hammer, soccer], np.int32), goals)
    with MetaworldSimulator(1) as simulator:
        results = evaluate(policy, episodes, simulator)
    assert results.success[:2].all() and results.by_tool.tolist() == [by_tool, by_tool, -1]
    rows = episode_rows(world, results, episodes, "bc", "kalm", 0, "greedy")
    assert [row["by_tool"] for row in rows] == [str(int(by_tool))] * 2 + [""]


def test_real_rollouts_are_realistic_and_spoilt_ones_are_not(collected):
    rollouts, goals = collected
    family = goals.family[rollouts.goal]
    marks = unrealistic(rollouts, family)
    assert set(marks) == set(KINDS) and sum(int(m.sum()) for m in marks.values()) == 0
    assert get_world("metaworld").filter_realistic(rollouts, goals, rollouts).all()
    push = int(np.flatnonzero(family == NAMES.index("push"))[0])
    puck, step = entity_slot("target_object"), 10

    def spoil(change):
        observations = rollouts.observations.copy()
        change(observations[push, step])
        found = unrealistic(dataclasses.replace(rollouts, observations=observations), family)
        return {kind for kind in KINDS if found[kind][push, step - 1]}

    def lift(state):
        state[puck][:3] = state[HAND] + (0.0, 0.26, 0.05)

    def tilt(state):
        state[puck][3:] *= 0.8

    assert "floating" in spoil(lift)
    assert "pose" in spoil(tilt)
    assert "off_bench" in spoil(lambda state: state[puck].__setitem__(0, 0.9))
    assert spoil(lambda state: state.__setitem__(HAND.start, state[0] + 0.1)) == {"dynamics"}
    # An absent entity's slot does not matter.
    assert spoil(lambda state: state[entity_slot("soccer")].fill(9.0)) == set()
    table = get_world("metaworld").quality_rows(rollouts, goals, rollouts)
    assert sum(row["kept"] for row in table) == 10 and all(row["floating_transitions"] == 0 for row in table)


def test_a_rollout_of_an_unknown_task_is_tested_for_all_that_it_shows(collected):
    rollouts, goals = collected
    family, unknown = goals.family[rollouts.goal], np.full(len(rollouts), -1)
    assert not any(mark.any() for mark in unrealistic(rollouts, unknown).values())
    spoilt = rollouts.observations.copy()
    for i, code in enumerate(family):  # one of its entities jumps, and what is not there is not looked at
        thing = task_of(NAMES[code]).entities[0]
        spoilt[i, 5, entity_slot(thing)][1] += 0.1
        spoilt[i, 5, entity_slot("soccer")] = 9.0
    spoilt = dataclasses.replace(rollouts, observations=spoilt)
    mixed = np.where(np.arange(len(family)) % 2, family, unknown)
    for other in (unknown, mixed):
        for kind, mark in unrealistic(spoilt, family).items():
            np.testing.assert_array_equal(unrealistic(spoilt, other)[kind], mark)
            assert kind != "dynamics" or mark[:, 4].all()
    for wrong in (-2, len(NAMES)):
        with pytest.raises(ValueError, match=f"there is no task number {wrong}: want 0 to 21, or -1"):
            unrealistic(rollouts, np.where(np.arange(len(family)), family, wrong))


def test_limits_cover_what_they_are_measured_on(collected):
    rollouts, goals = collected
    found = {}
    for i in range(len(rollouts)):
        seen = rollouts.observations[i, : rollouts.length[i] + 1]
        found.setdefault(NAMES[goals.family[rollouts.goal[i]]], []).append(Recorded(seen, None, None, True))
    measured = metaworld_experts.measure_limits(found)
    for low, high in (("hand_low", "hand_high"), ("low", "high")):
        inside = box(getattr(LIMITS, low), getattr(LIMITS, high))
        assert (np.array(getattr(measured, low)) >= inside[0] - 0.02).all()
        assert (np.array(getattr(measured, high)) <= inside[1] + 0.02).all()
    assert all(getattr(measured, name) <= 1.1 * getattr(LIMITS, name) for name in ("move", "turn", "held"))
    assert measured.move > 0.01 and measured.held > 0  # hands move a centimeter, and the puck was lifted


def test_limits_are_alike_on_both_sides_and_nothing_is_asked_of_how_a_ball_rolls(collected):
    rollouts, goals = collected
    low, high = box((-0.2, 0.4, 0.0), (0.5, 0.9, 0.3))
    np.testing.assert_allclose([low, high], [(-0.5, 0.4, 0.0), (0.5, 0.9, 0.3)])
    assert not {"soccer", "hammer", "nail", "wall"} & {*TURNING} and "coffee" in TURNING
    push = np.flatnonzero(goals.family[rollouts.goal] == NAMES.index("push"))[:1]
    ours, slots = rollouts.take(push), [entity_slot(entity) for entity in ("target_object", "soccer")]
    observations = ours.observations.copy()
    observations[:, :, slots[1]] = observations[:, :, slots[0]]
    observations[:, 5, slots[1]] = observations[:, 5, slots[1]][:, [0, 1, 2, 6, 3, 4, 5]]  # turned by a quarter
    observations[:, 5, slots[0]] = observations[:, 5, slots[1]]
    spoilt = dataclasses.replace(ours, observations=observations)
    for task, found in (("push", {"dynamics"}), ("soccer", set())):
        marks = unrealistic(spoilt, np.array([NAMES.index(task)]))
        assert {kind for kind, mark in marks.items() if mark.any()} == found


def test_an_object_may_be_where_it_stands_in_the_first_state(collected):
    rollouts, goals = collected
    push = np.flatnonzero(goals.family[rollouts.goal] == NAMES.index("push"))[:1]
    ours = rollouts.take(push)
    observations = ours.observations.copy()
    observations[:, :, HAND.start] += 0.8
    moved = dataclasses.replace(ours, observations=observations)
    assert not unrealistic(moved, np.array([NAMES.index("push")]))["off_bench"][:, 0].any()
    observations[:, 0, HAND.start] -= 0.8
    assert unrealistic(moved, np.array([NAMES.index("push")]))["off_bench"][:, 0].all()


def test_the_tables_of_the_program():
    episodes = attempts("coffee-button", 2, seed=0, processes=1)
    assert metaworld_experts.success_row("coffee-button", episodes)["success"] == "1.00"
    row = metaworld_experts.agreement_row("coffee-button", episodes)
    assert row["success agrees"] == "100.00%" and float(row["correlation"]) > 0.99
    lines = metaworld_experts.realism_lines({"coffee-button": episodes})
    assert len(lines) == len(LIMITS) and any(line.startswith("move=0.01") for line in lines)
    exceeded = metaworld_experts.exceeded_row("coffee-button", episodes)
    assert exceeded["unrealistic rollouts"] == "0%" and exceeded["rollouts by kind"] == "-"
    assert (episodes[0].observations[:, TARGET] == episodes[0].observations[0, TARGET]).all()
