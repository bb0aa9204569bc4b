"""Every error that vae-edge raises on purpose.

    VaeEdgeError
    ├── InputError            what the caller handed in: shape, dtype, range, an unknown name    (also ValueError)
    ├── BundleError           a bundle that cannot be used
    │   ├── BundleNotFound    there is none under that name or path
    │   ├── ManifestError     its manifest is damaged, malformed or of a newer schema
    │   ├── IntegrityError    a file is not the one that the manifest describes
    │   └── UnsafeBundle      it asks for something that no VAE needs
    ├── ProviderError         an execution provider that cannot run
    ├── DataError             a data set that is missing or damaged
    ├── RunError              a run folder that cannot be used
    ├── OutputError           something that cannot be written                                   (also OSError)
    ├── MissingExtra          an optional dependency that is not installed                       (also ImportError)
    └── CheckFailed           `verify` or the parity gate found a difference

Each message says what was expected, what came, and what to do next. On the command line each is one line and exit
code 1, except `CheckFailed`, which is 3.
"""

__all__ = [
    "BundleError",
    "BundleNotFound",
    "CheckFailed",
    "DataError",
    "InputError",
    "IntegrityError",
    "ManifestError",
    "MissingExtra",
    "OutputError",
    "ProviderError",
    "RunError",
    "UnsafeBundle",
    "VaeEdgeError",
]


class VaeEdgeError(Exception):
    """The root of every error that vae-edge raises on purpose."""


class InputError(VaeEdgeError, ValueError):
    """The caller handed in something of the wrong shape, dtype, range or name."""


class BundleError(VaeEdgeError):
    """A bundle cannot be used."""


class BundleNotFound(BundleError):
    """No bundle lies at the path, and none of that name is built in."""


class ManifestError(BundleError):
    """A manifest is damaged, malformed, or of a schema newer than this release reads."""


class IntegrityError(BundleError):
    """A bundle's file is not the one that its manifest describes."""


class UnsafeBundle(BundleError):
    """A bundle asks for something that no VAE needs: files outside it, links, foreign operators, huge tensors."""


class ProviderError(VaeEdgeError):
    """The execution provider that was asked for cannot run here."""


class DataError(VaeEdgeError):
    """A data set is missing, damaged, or not what its checksum says."""


class RunError(VaeEdgeError):
    """A training run's folder cannot be used: missing, incomplete, or of another configuration."""


class OutputError(VaeEdgeError, OSError):
    """Something could not be written; what was there before is still whole."""


class MissingExtra(VaeEdgeError, ImportError):
    """An optional dependency is not installed; the message holds the `pip install` that mends it."""


class CheckFailed(VaeEdgeError):
    """A check that was asked for found a difference: `verify`, or the parity gate of `export`."""
