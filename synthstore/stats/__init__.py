"""What a store holds, in numbers: from one scan, strictly read-only, and never its content."""
