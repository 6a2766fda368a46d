"""Who predicts whom: a region by region map from reduced-rank regressions."""
