"""Package metadata. `pip install .` installs the library, `pip install ".[test]"` also what its tests need."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "kalm_jax" / "__init__.py").read_text()).group(1)

MINARI = ["minari[hdf5]>=0.5.2"]
NOTEBOOK = ["ipykernel>=6", "nbclient>=0.10"]
TEST = ["pytest>=8", "pytest-xdist>=3.7", *MINARI, *NOTEBOOK]

setup(
    name="kalm_jax",
    version=VERSION,
    description="A language model imagines rollouts for goals without data; offline RL learns from them (KALM in JAX).",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(
        include=["kalm_jax", "kalm_jax.*", "experiments", "experiments.*", "benchmarks", "benchmarks.*"]
    ),
    package_data={
        "kalm_jax.llm": ["builtin/*.json", "builtin/*.safetensors"],
        "kalm_jax.report": ["assets/*"],
    },
    install_requires=[
        "jax>=0.7.2",
        "flax>=0.11.2",
        "optax>=0.2.7",
        "orbax-checkpoint>=0.11.20",
        "chex>=0.1.90",
        "absl-py>=2",
        "numpy>=2",
        "scipy>=1.12",
        "transformers>=4.57",
        "tokenizers>=0.20",
        "safetensors>=0.5",
        "gymnasium>=1.1",
        "metaworld>=3.1",
        "mujoco>=3.3",
        "h5py>=3.11",
        "matplotlib>=3.9",
        "pillow>=10.1",
    ],
    extras_require={
        "test": TEST,
        "cuda": ["jax[cuda12]>=0.7.2"],
        "tpu": ["jax[tpu]>=0.7.2"],
        "parity": ["torch>=2.6"],
        "huggingface": ["jinja2>=3.1", "sentencepiece>=0.2"],
        "minari": MINARI,
        "notebook": NOTEBOOK,
        "dev": [*TEST, "ruff>=0.12"],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
