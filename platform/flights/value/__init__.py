"""In dollars: what the numbers are worth acting on."""
