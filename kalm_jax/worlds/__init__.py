"""Worlds: environments with goals in language. The pipeline knows them by `base.World` alone."""
