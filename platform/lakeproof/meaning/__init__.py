"""What definitions mean: one normal form for all spellings, and a verdict on two of them."""
