"""Tests: real files, damages by name, faults by injection."""
