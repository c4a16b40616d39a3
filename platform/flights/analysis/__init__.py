"""Counted and compared: the numbers people ask for."""
