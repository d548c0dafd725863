"""One pass over a store: directory → shards of paths → facts."""
