"""Safe file primitives; they know nothing of memories, and nothing else changes a file system."""
