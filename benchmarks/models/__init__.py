"""Ten kinds of VAE that people have, exported: what each needs, and what comes out."""
