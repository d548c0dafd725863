"""JSON Schemas of every document that ``--json`` prints."""
