"""What vae-edge is measured against; needs a checkout and its extras, and ships in no wheel."""
