"""The bundle: a folder with a manifest and the files that it lists. What was hashed is what runs.

Files are read once; the same bytes are hashed, checked by the guard, and passed to ONNX Runtime.
"""

from vae_edge.runtime.bundle.reading import MANIFEST, MAX_FILE_BYTES, Bundle, assemble, built_in, locate, read

__all__ = ["MANIFEST", "MAX_FILE_BYTES", "Bundle", "assemble", "built_in", "locate", "read"]
