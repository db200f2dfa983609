"""EventProp in continuous time, compiled."""
