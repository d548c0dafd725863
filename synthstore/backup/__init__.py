"""Snapshots of stores: taken, kept by rule, checked, found again, and given back."""
