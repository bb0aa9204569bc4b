"""Events that lie in files: Parquet, pictures, `.npz` and `.npy` arrays."""
