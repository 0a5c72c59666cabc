"""Grounds a language model from a Hugging Face folder in rollouts, and imagines rollouts for new sentences with it.

    python examples/own_language_model.py smollm2

smollm2 is fetched; a folder with config.json, *.safetensors and tokenizer.json of a Llama, Mistral or Qwen model takes
its place. The settings below only show that everything runs: `kalm clevr --llm=smollm2` grounds as long as it takes and
trains policies.
"""

import sys

import kalm_jax as kalm


def main(folder, rollouts=200, steps=20, count=8):
    config, params, tokenizer = kalm.load_language_model(folder)
    print(f"{config.layers} layers of width {config.width}, {tokenizer.vocab_size} words")
    del params  # `ground` reads the folder again, and puts the weights where they are trained

    world = kalm.get_world("clevr")
    data, goals = world.collect(0, rollouts, world.behaviors[0], lambda done, total: None)
    grounded = kalm.ground(data, goals, "clevr", llm=folder, steps=steps, rows=8, learning_rate=5e-5, lora_rank=4)

    novel = world.goals("rephrase")
    imagined = kalm.imagine(grounded, novel, "clevr", count=count, llm=folder, draws=1)
    for goal, length, reached in zip(imagined.goal, imagined.length, imagined.terminated):
        print(f"{novel.text[goal]}: {length} pushes, goal {'reached' if reached else 'not reached'}")
    return imagined


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/own_language_model.py smollm2, or the folder of a Hugging Face model")
    main(sys.argv[1])
