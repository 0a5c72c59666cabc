"""Lets tools that look for `setup.py` find the package; its metadata is in `pyproject.toml`."""

from setuptools import setup

setup()
