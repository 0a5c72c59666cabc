"""Meta-world: starts and steps against the published package, labels against the simulator, the authors' samples."""

import jax
import numpy as np
import pytest

from kalm_jax.datasets import safe_pickle
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.metaworld import goals
from kalm_jax.worlds.metaworld import realism as quality
from kalm_jax.worlds.metaworld.behaviors import make_expert
from kalm_jax.worlds.metaworld.distractors import STARTS, Distractor, draw_pose
from kalm_jax.worlds.metaworld.recording import record
from kalm_jax.worlds.metaworld.rewards import dense_rewards, rewards
from kalm_jax.worlds.metaworld.simulator import TaskSimulator
from kalm_jax.worlds.metaworld.symmetry import SHIFT, elsewhere, exchanged, mirrored, one_more, varied
from kalm_jax.worlds.metaworld.tasks import (
    ENTITIES,
    ENTITY_TABLE,
    LEVEL_TASKS,
    NAMES,
    OBSERVATION_DIM,
    TARGET,
    TASKS,
    absent_entities,
    entity_slot,
    entity_start,
    task_of,
)
from tests.paths import SHARED_DATA

SAMPLE = SHARED_DATA / "meta_world_sample.npy"
IN_PACKAGE = [task.name for task in TASKS if not task.first_stage]


@pytest.fixture(scope="module")
def simulators():
    return {name: TaskSimulator(name) for name in NAMES}


@pytest.fixture(scope="module")
def recordings(simulators):
    """Two noisy attempts of each task's expert."""
    return {
        name: [record(simulators[name], np.random.default_rng([seed, 5]), noise=0.3) for seed in range(2)]
        for name in NAMES
    }


def test_the_tasks_are_kalms():
    assert [len(LEVEL_TASKS[level]) for level in ("offline", "rephrase", "unseen_easy", "unseen_hard")] == [
        10,
        10,
        8,
        4,
    ]
    assert len(NAMES) == len(set(NAMES)) == 22 and OBSERVATION_DIM == 91
    with pytest.raises(ValueError, match="juggle"):
        task_of("juggle")


def package_environment(name, rng):
    """The published environment with the start that `rng` draws: drawn, frozen, and then reset in the package's way."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    env = ALL_V3_ENVIRONMENTS[f"{name}-v3"]()
    env._set_task_called, env._partially_observable, env.seeded_rand_vec = True, False, True
    env.__dict__.pop("sawyer_observation_space", None)
    env._freeze_rand_vec, env.np_random = False, rng
    env.reset_model()
    env._freeze_rand_vec = True
    env.reset()
    return env


@pytest.mark.parametrize("name", IN_PACKAGE)
def test_steps_are_those_of_the_package(name, simulators):
    env, simulator = package_environment(name, np.random.default_rng(3)), simulators[name]
    simulator.reset(np.random.default_rng(3))
    # A puck that lies on its rim amplifies the micrometres that the shortened reset leaves.
    tolerance = 5e-3 if "push" in name or "place" in name else 2e-4
    for action in np.random.default_rng(0).uniform(-1, 1, (12, 4)):
        seen, reward, _, _, info = env.step(action)
        result = simulator.step(action)
        np.testing.assert_allclose(result.observation[:4], seen[:4], atol=tolerance)
        np.testing.assert_allclose(result.observation[TARGET], env._target_pos, atol=tolerance)
        entity = result.observation[entity_slot(simulator.task.entities[0])]
        np.testing.assert_allclose(entity, seen[4:11], atol=tolerance)
        assert abs(result.native_reward - reward) < 20 * tolerance and result.success == bool(info["success"])


@pytest.mark.parametrize("name", NAMES)
def test_episodes_depend_on_their_seed_alone_and_can_be_gone_on_with(name, simulators):
    simulator, actions = simulators[name], np.random.default_rng(0).uniform(-1, 1, (8, 4))

    def steps(some):
        results = [simulator.step(action) for action in some]
        return np.concatenate([np.append(r.observation, r.native_reward) for r in results])

    first = simulator.reset(np.random.default_rng(1))
    steps(actions[:4])
    saved = simulator.save()
    rest = steps(actions[4:])
    other = simulator.reset(np.random.default_rng(2))
    steps(actions[:3])
    assert not np.array_equal(first, other)
    simulator.load(saved)
    np.testing.assert_array_equal(steps(actions[4:]), rest)
    np.testing.assert_array_equal(simulator.reset(np.random.default_rng(1)), first)
    steps(actions[:4])
    np.testing.assert_array_equal(steps(actions[4:]), rest)
    shown = {ENTITIES[i] for i in np.flatnonzero(~absent_entities(first))}
    assert shown == set(simulator.task.entities)


def test_the_first_observation_is_where_things_are(simulators):
    # The package shows the window and the faucet of the reset before.
    for name in ("window-open", "window-close", "faucet-open", "faucet-close"):
        simulator = simulators[name]
        for seed in range(3):
            first = simulator.reset(np.random.default_rng(seed))
            after = simulator.step(np.zeros(4)).observation
            slot = entity_slot(simulator.task.entities[0])
            np.testing.assert_allclose(after[slot][:3], first[slot][:3], atol=3e-3)


def test_bad_actions_are_refused(simulators):
    simulators["reach"].reset(np.random.default_rng(0))
    for action in (np.zeros(3), np.array([0, 0, np.nan, 0]), np.full(4, 1j), np.zeros(4, bool), list("0000"), [[0], 0]):
        with pytest.raises(ValueError, match="action"):
            simulators["reach"].step(action)


@pytest.mark.parametrize("name", NAMES)
def test_labels_agree_with_the_simulator(name, recordings):
    family, goal = NAMES.index(name), goals.make_goal(name)
    labels, truth, dense, native = [], [], [], []
    for episode in recordings[name]:
        reached = np.zeros(len(episode.actions), bool)
        reached[-1] = episode.success
        truth.append(reached)
        labels.append(goals.success(family, goal, None, None, episode.observations[1:]))
        dense.append(dense_rewards([family], episode.observations[None], episode.actions[None])[0])
        native.append(episode.native)
    labels, truth, dense, native = (np.concatenate(x) for x in (labels, truth, dense, native))
    assert (labels == truth).mean() >= (0.94 if "reach" in name else 1.0)
    # A grip that is 1 mm from counting as one makes a step of the dense reward, so some errors are large.
    assert np.median(np.abs(dense - native)) < 0.05 and np.abs(dense - native).mean() < 0.25
    assert np.corrcoef(dense, native)[0, 1] > 0.95


@pytest.mark.parametrize("family", [-1, len(NAMES)])
def test_rewards_of_a_family_that_is_no_task_are_refused(family):
    states, actions = np.zeros((2, 4, OBSERVATION_DIM)), np.zeros((2, 3, 4))
    for ask in (
        lambda: dense_rewards([0, family], states, actions),
        lambda: rewards([0, family], np.stack([goals.make_goal("reach")] * 2), states, actions, [3, 3]),
    ):
        with pytest.raises(ValueError, match=rf"family \[1\] is {family}, want the index of a task, 0 to 21"):
            ask()


def test_experts_succeed(recordings):
    good = [episode.success for name in LEVEL_TASKS["offline"] for episode in recordings[name]]
    assert np.mean(good) >= 0.8
    assert recordings["make-coffee"][0].success or recordings["make-coffee"][1].success


def test_the_locked_door_stays_shut_until_it_is_unlocked(simulators):
    simulator, expert = simulators["locked-door-open"], make_expert("locked-door-open")
    goal = goals.make_goal("locked-door-open")
    opened = []
    for seed in range(3):
        observation, success = simulator.reset(np.random.default_rng(seed)), False
        shut = observation[entity_slot("handle")][:2].copy()
        for _ in range(100):
            if not goals.last_stage(goal, observation):
                np.testing.assert_allclose(observation[entity_slot("handle")][:2], shut, atol=6e-3)
                assert not success
            observation, _, success = simulator.step(expert(observation))
            if success:
                break
        opened.append(success and np.linalg.norm(observation[entity_slot("handle")][:2] - shut) > 0.3)
    assert sum(opened) >= 2


@pytest.mark.parametrize(("name", "first"), [("make-coffee", "coffee-push"), ("locked-door-open", "door-unlock")])
def test_the_second_stage_is_shown_as_the_simulator_shows_it(name, first, recordings):
    family, states = NAMES.index(name), recordings[name][0].observations
    later = goals.last_stage(goals.make_goal(name), states)
    change = int(np.argmax(later))
    assert 0 < change and later[change:].all()
    shown = goals.show_stage(np.full(len(states), family), states)
    np.testing.assert_array_equal(shown, states)  # the simulator shows it already
    blank = states[change].copy()
    blank[TARGET] = states[0][TARGET]
    shown = goals.show_stage([family, NAMES.index(first)], np.stack([blank, blank]))
    np.testing.assert_allclose(shown[0], states[change], atol=2e-3)
    np.testing.assert_array_equal(shown[1], blank)  # the task itself has one stage
    done = goals.step_done(NAMES.index(first), goals.make_goal(first), states)
    assert not done[: change - 1].any() and done[change:].all()


def test_success_is_the_same_in_numpy_and_under_jit(recordings):
    states = np.stack([recordings[name][0].observations[-1] for name in NAMES])
    arrays = np.stack([goals.make_goal(name) for name in NAMES])
    family = np.arange(len(NAMES))
    jitted = jax.jit(goals.success)(family, arrays, states, None, states)
    np.testing.assert_array_equal(goals.success(family, arrays, states, None, states), jitted)
    # Any leading axes broadcast: every goal on every state.
    every = goals.satisfied(family[:, None], arrays[:, None], states[None])
    np.testing.assert_array_equal(np.diagonal(every), jitted)


def test_success_has_its_radius():
    goal, state = goals.make_goal("push"), np.zeros(91, np.float32)
    state[TARGET] = (0.1, 0.8, 0.02)
    for away, reached in ((0.049, True), (0.051, False)):
        state[entity_slot("target_object")][:3] = state[TARGET] + (0.0, away, 0.0)
        assert bool(goals.satisfied(0, goal, state)) is reached
    # make-coffee cannot succeed while its target is the mug's place.
    goal = goals.make_goal("make-coffee")
    state[TARGET] = state[entity_slot("coffee-button")][:3] = (0.0, 0.7, 0.0)
    assert not goals.satisfied(0, goal, state)
    state[TARGET] = state[entity_slot("coffee-button")][:3] = (0.0, 0.7, 0.3)
    assert goals.satisfied(0, goal, state)


def test_rewards_are_increments_and_ten_on_success(recordings):
    episode = next(e for e in recordings["push"] if e.success)
    family, length = [NAMES.index("push")], len(episode.actions)
    padded = np.pad(episode.observations, ((0, 5), (0, 0))), np.pad(episode.actions, ((0, 5), (0, 0)))
    found = rewards(family, goals.make_goal("push")[None], padded[0][None], padded[1][None], [length])[0]
    dense = dense_rewards(family, episode.observations[None], episode.actions[None])[0]
    assert found[length - 1] == 10.0 and not found[length:].any()
    np.testing.assert_allclose(found[: length - 1].sum(), dense[-2], rtol=1e-5)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the authors' samples are not in this checkout")
def test_the_authors_samples_have_our_slots_labels_and_rewards(simulators):
    data = safe_pickle.load(SAMPLE)
    for i, name in enumerate(map(str, data["env_names"])):
        length = int(data["masks"][i].sum())
        seen = np.concatenate([data["observations"][i, :1], data["next_observations"][i, :length]])
        actions = data["actions"][i, :length]
        shown = {ENTITIES[j] for j in np.flatnonzero(~absent_entities(seen[0]))}
        assert shown == set(task_of(name).entities)
        reached = goals.satisfied(NAMES.index(name), goals.make_goal(name), seen[1:])
        assert reached[-1] and not reached[:-1].any()
        # Our starts are like theirs: hand, quaternion convention, height of the entity.
        ours, slot = simulators[name].reset(np.random.default_rng(0)), entity_slot(task_of(name).entities[0])
        np.testing.assert_allclose(ours[:4], seen[0, :4], atol=4e-3)
        np.testing.assert_allclose(ours[slot][2], seen[0, slot][2], atol=5e-3)
        if name != "coffee-push":  # a mug stands as it happened to settle
            np.testing.assert_allclose(ours[slot][3:], seen[0, slot][3:], atol=1e-2)
        goal = goals.make_goal(name)[None]
        found = rewards([NAMES.index(name)], goal, seen[None], actions[None], [length])[0]
        # The package's first reward of window-open is made with the window of another reset.
        np.testing.assert_allclose(found[1:], data["rewards"][i, 1:length, 0], atol=0.03)


@pytest.mark.parametrize("name", ["pick-place", "push", "coffee-push"])
def test_touching_is_what_the_package_says(name, simulators):
    simulator, expert = simulators[name], make_expert(name)
    env, rng = simulator._env, np.random.default_rng(2)
    seen, said = simulator.reset(rng), []
    for _ in range(70):
        seen = simulator.step(np.clip(expert(seen) + 0.2 * rng.normal(size=4), -1.0, 1.0)).observation
        geoms = range(env.model.ngeom)
        said.append([env.touching_object(geom) for geom in geoms])
        assert said[-1] == [type(env).touching_object(env, geom) for geom in geoms]
    assert any(any(row) for row in said)


def test_one_more_entity_stands_still_and_changes_nothing_else(recordings):
    states = recordings["push-wall"][0].observations[:20]
    more = 0
    for seed in range(40):
        shown = one_more(np.random.default_rng(seed), states)
        changed = np.flatnonzero((shown != states).any(0))
        if not len(changed):
            continue
        more += 1
        (entity,) = {e for e in ENTITIES if set(range(91)[entity_slot(e)]) & set(changed.tolist())}
        slot = entity_slot(entity)
        assert (states[0, slot] == 0).all() and (shown[:, slot] == shown[0, slot]).all()
        assert set(changed.tolist()) <= set(range(91)[slot])
    assert 10 < more < 30


def test_a_scene_that_is_moved_keeps_its_distances_and_its_success(recordings):
    moved = 0
    for task in ("push-wall", "door-open", "reach"):
        states, goal = recordings[task][0].observations, goals.make_goal(task)
        for seed in range(20):
            shown = elsewhere(np.random.default_rng(seed), states)
            if (shown == states).all():
                continue
            moved += 1
            offset = (shown - states)[0, :3]
            assert 0 < np.abs(offset).max() and (np.abs(offset) <= SHIFT + 1e-6).all()
            present = [entity_start(e) for e, out in zip(ENTITIES, absent_entities(states[0])) if not out]
            places = np.concatenate([np.arange(k, k + 3) for k in (0, 4, *present)])
            want = np.zeros(91)
            want[places] = np.tile(offset, len(places) // 3)
            np.testing.assert_allclose(shown - states, np.tile(want, (len(states), 1)), atol=1e-6)
            np.testing.assert_allclose(goals.distance(goal, shown), goals.distance(goal, states), atol=1e-6)
    assert 20 < moved < 40


def near_far_and_left_right(states):
    """Distance of hand, things and target from each other, which no mirror changes: (T, P, P) metres."""
    present = [entity_start(e) for e, out in zip(ENTITIES, absent_entities(states[0])) if not out]
    places = np.stack([states[:, k : k + 3] for k in (0, TARGET.start, *present)], 1)
    return np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)


@pytest.mark.parametrize("axes", [(True, False), (False, True), (True, True)])
def test_a_mirrored_scene_keeps_distances_and_mirrored_twice_is_itself(recordings, axes):
    for task in ("push-wall", "door-open", "reach"):
        episode, goal = recordings[task][0], goals.make_goal(task)
        shown, actions = mirrored(episode.observations, episode.actions, axes)
        np.testing.assert_allclose(
            near_far_and_left_right(shown), near_far_and_left_right(episode.observations), atol=1e-5
        )
        flipped = np.append(np.array(axes), (False, False))
        np.testing.assert_array_equal(actions, np.where(flipped, -episode.actions, episode.actions))
        move, before = np.diff(shown[:, :2], axis=0), np.diff(episode.observations[:, :2], axis=0)
        np.testing.assert_allclose(move, np.where(axes, -before, before), atol=1e-6)
        assert (absent_entities(shown[0]) == absent_entities(episode.observations[0])).all()
        if not any(goal[4:7]):
            success = goals.satisfied(0, goal, episode.observations)
            np.testing.assert_array_equal(goals.satisfied(0, goal, shown), success)
        again, actions = mirrored(shown, actions, axes)
        np.testing.assert_allclose(again, episode.observations, atol=1e-6)
        np.testing.assert_array_equal(actions, episode.actions)


def test_a_mirrored_rotation_is_that_of_the_mirrored_thing(recordings):
    from scipy.spatial.transform import Rotation

    # The mug's quaternion is (x, y, z, w), the hammer's (w, x, y, z).
    for entity, order in (("coffee", [0, 1, 2, 3]), ("hammer", [1, 2, 3, 0])):
        states = np.zeros((1, OBSERVATION_DIM), np.float32)
        turned = Rotation.from_euler("xyz", [0.2, 0.3, 0.5])
        states[0, entity_slot(entity)] = np.r_[0.1, 0.6, 0.1, np.roll(turned.as_quat(), 0 if order[0] == 0 else 1)]
        for axes in ((True, False), (False, True), (True, True)):
            shown, _ = mirrored(states, np.zeros((0, 4), np.float32), axes)
            mirror = np.diag([-1.0 if flip else 1.0 for flip in (*axes, False)])
            got = Rotation.from_quat(shown[0, entity_slot(entity)][3:][order]).as_matrix()
            np.testing.assert_allclose(got, mirror @ turned.as_matrix() @ mirror, atol=1e-6)


def test_opening_a_window_in_the_mirror_is_what_closing_one_looks_like(recordings, simulators):
    shown, _ = mirrored(recordings["window-open"][0].observations, recordings["window-open"][0].actions, (True, False))
    real = simulators["window-close"].reset(np.random.default_rng(0))
    slot = entity_slot("window")
    way, want = (x[TARGET][:2] - x[slot][:2] for x in (shown[0], real))
    assert np.linalg.norm(way - want) < 0.05 and way[0] < -0.15
    assert goals.satisfied(0, goals.make_goal("window-close"), shown)[-1]


def test_a_thing_in_anothers_place_does_what_that_did(recordings):
    states = recordings["push-wall"][0].observations
    shown = exchanged(states, "target_object", "soccer")
    ball, puck = entity_slot("soccer"), entity_slot("target_object")
    np.testing.assert_array_equal(shown[:, ball][:, :3], states[:, puck][:, :3])
    assert (shown[:, puck] == 0).all() and (shown[:, ball][:, 3:] == STARTS["soccer"][0][2]).all()
    rest = np.setdiff1d(np.arange(OBSERVATION_DIM), np.r_[ball, puck])
    np.testing.assert_array_equal(shown[:, rest], states[:, rest])
    assert goals.satisfied(0, goals.make_goal("soccer"), shown)[-1]
    # What stood in the scene already changes places.
    both = states.copy()
    both[:, ball] = draw_pose(np.random.default_rng(0), "soccer")
    shown = exchanged(both, "target_object", "soccer")
    np.testing.assert_array_equal(shown[:, puck][:, :3], both[:, ball][:, :3])


def test_what_is_changed_is_described_by_short_goals_alone(recordings):
    said = set()
    for seed in range(200):
        episode = recordings["button-press"][0]
        states, actions, text = varied(
            np.random.default_rng(seed), episode.observations, episode.actions, NAMES.index("button-press")
        )
        assert states.shape == episode.observations.shape and actions.shape == episode.actions.shape
        moved = [e for e in ENTITIES if np.abs(states[-1] - states[0])[entity_slot(e)][:3].max() > 0.05]
        if text is None:
            np.testing.assert_array_equal(actions, episode.actions)
            assert moved == ["button"]
        else:
            assert moved and text.split()[-3] == ENTITY_TABLE[moved[0]]["name"]
        said.add(text)
    assert said == {None, "button to target", "nail to target"}


def test_augmentations_are_used_by_name_and_all_of_them_are_the_default(recordings):
    episode, family = recordings["button-press"][0], NAMES.index("button-press")
    shown, acted = episode.observations, episode.actions
    world = get_world("metaworld")
    assert world.augmenting(("all",)) is varied and world.augmenting(("none",)) is None
    present = ~absent_entities(shown[0])

    def changes(*names):
        """What the named augmentations change in 60 draws: actions, places, entities that are there, and words."""
        found = set()
        for seed in range(60):
            states, actions, said = world.augmenting(names)(np.random.default_rng(seed), shown, acted, family)
            there = ~absent_entities(states[0])
            found |= {"actions"} if (actions != acted).any() else set()
            found |= {"hand"} if (states[:, :3] != shown[:, :3]).any() else set()
            found |= {"others"} if (present & ~there).any() else {"more"} if (there != present).any() else set()
            found |= {said} - {None}
        return found

    assert changes("mirror") == {"actions", "hand", "button to target"}
    assert changes("exchange") == {"others", "nail to target"}
    assert changes("shift") == {"hand"} and changes("extra") == {"more"}
    every = world.augmenting(world.augmentations)
    for seed in range(20):
        ours, default = (f(np.random.default_rng(seed), shown, acted, family) for f in (every, varied))
        np.testing.assert_array_equal(ours[0], default[0])
        np.testing.assert_array_equal(ours[1], default[1])
        assert ours[2] == default[2]


def test_a_distractor_is_an_absent_entity_at_a_plausible_place(recordings):
    first = recordings["push-wall"][0].observations[0]
    for mode in ("episode", "step"):
        distractor = Distractor(mode, np.random.default_rng(4), first)
        assert distractor.entity not in ("target_object", "wall")
        slot = entity_slot(distractor.entity)
        shown = np.stack([distractor.show(first) for _ in range(6)])
        np.testing.assert_array_equal(
            np.delete(shown, np.r_[slot], 1), np.delete(np.tile(first, (6, 1)), np.r_[slot], 1)
        )
        assert len(np.unique(shown[:, slot], axis=0)) == (1 if mode == "episode" else 6)
        low, high = (np.array([box[k] for box in STARTS[distractor.entity]]) for k in (0, 1))
        inside = (shown[:, None, slot][..., :3] >= low - 1e-6) & (shown[:, None, slot][..., :3] <= high + 1e-6)
        assert inside.all(-1).any(1).all()
    np.testing.assert_array_equal(Distractor("none", np.random.default_rng(0), first).show(first), first)
    with pytest.raises(ValueError, match="sometimes"):
        Distractor("sometimes", np.random.default_rng(0), first)


def test_every_entity_starts_inside_its_box(simulators):
    for name in NAMES:
        first = simulators[name].reset(np.random.default_rng(11))
        if name == "locked-door-open":  # its handle is lower than that of the safe without a lock
            continue
        for entity in simulators[name].task.entities:
            pose = first[entity_slot(entity)]
            fits = [
                (pose[:3] >= np.array(low) - 3e-3).all()
                and (pose[:3] <= np.array(high) + 3e-3).all()
                and np.allclose(pose[3:], quaternion, atol=1e-2)
                for low, high, quaternion in STARTS[entity]
            ]
            assert any(fits), (name, entity, pose)


def test_imagined_states_become_possible_and_those_that_are_stay(recordings):
    states = recordings["locked-door-open"][0].observations[:30].astype(np.float32)
    np.testing.assert_allclose(quality.possible_states(states), states, atol=1e-6)
    wrong = states.copy()
    wrong[:, entity_slot("handle").start + 3 : entity_slot("handle").stop] *= 0.9
    np.testing.assert_allclose(quality.possible_states(wrong), states, atol=1e-3)
    wrong[7, :3] = (0.1, 0.3, 0.9)
    mended = quality.possible_states(wrong)
    np.testing.assert_allclose(mended[7, :3], (0.1, 0.386, 0.426), atol=1e-6)
    np.testing.assert_allclose(np.delete(mended, 7, 0), np.delete(states, 7, 0), atol=1e-3)
    np.testing.assert_array_equal(quality.possible_states(np.zeros((2, 91)))[:, 3:], 0)  # nothing is there
