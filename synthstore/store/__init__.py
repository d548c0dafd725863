"""Reads the parts of a store, and changes a store by the one protocol."""
