"""The bundle: a folder with a manifest and the files that it vouches for, read so that what was hashed is what runs."""

from vae_edge.runtime.bundle.reading import MANIFEST, MAX_FILE_BYTES, Bundle, assemble, built_in, locate, read

__all__ = ["MANIFEST", "MAX_FILE_BYTES", "Bundle", "assemble", "built_in", "locate", "read"]
