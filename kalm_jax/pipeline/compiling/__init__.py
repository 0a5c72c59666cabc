"""Compiling every program of a job for accelerators that are not there, by their own compilers."""
