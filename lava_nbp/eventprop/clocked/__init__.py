"""EventProp in fixed steps and integers."""
