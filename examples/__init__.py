"""Hold worked examples that the main job runs."""
