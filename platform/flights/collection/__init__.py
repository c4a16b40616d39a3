"""As delivered, typed: nothing is mended here, so that what the source said stays provable."""
