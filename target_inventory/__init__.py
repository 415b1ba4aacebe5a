"""Singer target."""
