"""Which layers, distributions and bijectors an export carries: tries each, and writes `docs/layers.md`."""
