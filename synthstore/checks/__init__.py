"""Rules: pure functions from an Inventory to findings; no I/O."""
