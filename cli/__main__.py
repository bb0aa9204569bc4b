"""`python -m vae_edge.cli` is `vae-edge`."""

from vae_edge.cli.main import main

if __name__ == "__main__":
    main()
