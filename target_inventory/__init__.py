"""target-inventory: a Singer target that writes stock levels to inventory providers, carefully."""
