"""Rows by the million, as `generate`, `encode` and `reconstruct` write them with `--format`, .parquet or .tar."""
