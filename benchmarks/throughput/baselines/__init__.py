"""Other libraries that do the same work as a benchmark."""
