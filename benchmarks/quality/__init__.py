"""How good the bundles are, beside networks that others publish: `python -m benchmarks.quality --help`."""
