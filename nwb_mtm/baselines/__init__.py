"""Predictions that need no network: blind ones, linear ones, a Poisson regression, and the truth where it is known."""
