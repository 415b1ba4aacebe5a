"""Stand-ins of the providers on 127.0.0.1: for a first look, and as the project's test bed.

Nothing here imports a room's `api.py` or `wire.py`: both sides would share one mistake.
"""
