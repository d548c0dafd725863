"""Programs that the documentation shows, run by the tests."""
