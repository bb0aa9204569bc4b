"""How good a bundle is: likelihood, reconstruction, samples, cost."""
