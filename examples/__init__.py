"""Worked examples that the main job runs."""
