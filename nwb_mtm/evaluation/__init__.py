"""Scores of predictions on unseen time: sums, intervals, guards, checks and tables."""
