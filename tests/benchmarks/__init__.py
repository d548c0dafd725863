"""Benchmarks: run by command, never by the tests."""
