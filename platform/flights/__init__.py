"""A real pipeline built with Lakeproof: every departure from New York's airports in 2013, and what its delays cost."""
