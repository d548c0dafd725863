"""Where things live in a store, and how records are spelt; pure, no I/O."""
