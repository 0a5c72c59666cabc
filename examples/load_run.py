"""Opens a finished run of CLEVR-Robot: asks its language model, and lets one of its policies act.

python examples/load_run.py runs/clevr "line the balls up"
"""

import sys

import gymnasium

import kalm_jax as kalm


def main(folder, sentence):
    run = kalm.load_run(folder)
    plan = run.plan(sentence)
    print(f"{sentence!r}: confidence {plan.confidence:.2f}, subgoals {', '.join(plan.subgoals) or 'none'}")
    if not plan.understood:
        return None

    rollouts = run.imagine(sentence, count=4)
    for text, length, reached in zip(run.explain(rollouts), rollouts.length, rollouts.terminated):
        print(f"imagined {length} pushes, {'reaching the goal' if reached else 'in vain'}; they look like: {text}")

    env = gymnasium.make("kalm/ClevrRobot-v0", level="rephrase")
    observation, info = env.reset(seed=0)
    algorithm = run.config.learn.learners[0]
    policy, over, steps = run.policy(algorithm, condition="kalm"), False, 0
    while not over:
        action = policy.act(observation, info["instruction"])
        observation, _, terminated, truncated, info = env.step(action)
        over, steps = terminated or truncated, steps + 1
    print(f"{info['instruction']!r}: {'reached' if terminated else 'not reached'} after {steps} pushes")
    return rollouts


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/load_run.py FOLDER SENTENCE")
    main(*sys.argv[1:])
