"""Where rows are made: inputs in the form a function asks for, its result as a stream that fits the contract."""
