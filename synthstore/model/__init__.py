"""Pure values that every other room speaks of; no I/O here."""
