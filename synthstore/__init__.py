"""Storage administration for Synthians Memory Core stores."""

__version__ = "0.1.0"
