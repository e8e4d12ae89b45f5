"""Scores of depth predictions against truth."""
