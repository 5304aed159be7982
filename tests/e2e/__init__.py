"""End-to-end tests: the real program on real mounts against real servers."""
