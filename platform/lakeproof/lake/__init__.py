"""Iceberg: where days are staged, published and remembered. Knows neither Dagster nor how rows are made or audited."""
