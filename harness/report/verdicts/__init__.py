"""Turn a run's cases into one verdict for each model and recipe, each cause once."""
