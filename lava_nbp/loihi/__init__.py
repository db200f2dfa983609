"""What a Loihi chip can hold, and how a circuit gets there: pure data and arithmetic, tested without a chip."""
