"""Trained bundles that ship with the package."""
