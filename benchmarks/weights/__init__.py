"""What uncertain weights are worth and what they cost: `python -m benchmarks.weights --help`."""
