"""Tables whose rows a PySpark job makes, wherever Spark runs: one job for all days, which stages and audits them."""
