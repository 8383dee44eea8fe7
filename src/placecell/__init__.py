"""Placecell."""
