"""Values to text: for people, as JSON; the only room that knows rich."""
