"""Inventory providers: sign-in, reads and safe writes, one room per provider, no Singer.

The doors of this package are `registry.PROVIDERS` (what there is), `contract` (what a room
promises) and `errors` (what can go wrong, by what to do next).
"""
