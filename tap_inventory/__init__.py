"""tap-inventory: a Singer tap that reads stock from inventory providers."""
