"""From an inventory to the state that should be, the plan that leads there, and its run."""
