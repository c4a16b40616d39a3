"""Beside production: outputs, what differs from `main`, and how it becomes `main`."""
