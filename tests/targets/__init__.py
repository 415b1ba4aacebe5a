"""Public Singer targets, fed with what the tap says, and asked what arrived.

`python3 scripts/targets_check.py` is the whole of it, with the targets themselves; docs/targets.md
says what is known of them. Here without them: the comparison, and the page.
"""
