/**
 * Every error that vae-edge throws on purpose.
 *
 *     VaeEdgeError
 *     ├── InputError            what the caller handed in: shape, type, range, an unknown name
 *     ├── BundleError           a bundle that cannot be used
 *     │   ├── BundleNotFound    there is none under that URL or path
 *     │   ├── ManifestError     its manifest is damaged, malformed or of a newer schema
 *     │   ├── IntegrityError    a file is not the one that the manifest describes
 *     │   └── UnsafeBundle      it asks for something that no VAE needs
 *     ├── BackendError          what computes graphs cannot run them here (Python's ProviderError)
 *     └── CheckFailed           the graphs do not give what the bundle's probe says
 *
 * Each message says what was expected, what came, and what to do next.
 */

/** The root of every error that vae-edge throws on purpose. */
export class VaeEdgeError extends Error {
  override readonly name: string = "VaeEdgeError";
}

/** The caller handed in something of the wrong shape, type, range or name. */
export class InputError extends VaeEdgeError {
  override readonly name = "InputError";
}

/** A bundle cannot be used. */
export class BundleError extends VaeEdgeError {
  override readonly name: string = "BundleError";
}

/** No bundle lies at the URL or path. */
export class BundleNotFound extends BundleError {
  override readonly name = "BundleNotFound";
}

/** A manifest is damaged, malformed, or of a schema newer than this release reads. */
export class ManifestError extends BundleError {
  override readonly name = "ManifestError";
}

/** A bundle's file is not the one that its manifest describes. */
export class IntegrityError extends BundleError {
  override readonly name = "IntegrityError";
}

/** A bundle asks for something that no VAE needs: foreign operators, subgraphs, huge tensors. */
export class UnsafeBundle extends BundleError {
  override readonly name = "UnsafeBundle";
}

/** The backend that was asked for cannot run this graph, or cannot run here. */
export class BackendError extends VaeEdgeError {
  override readonly name = "BackendError";
}

/** The graphs give something else than the bundle's probe says. */
export class CheckFailed extends VaeEdgeError {
  override readonly name = "CheckFailed";
}
