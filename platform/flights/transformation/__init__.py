"""Cleaned, keyed and joined: one truth a row."""
