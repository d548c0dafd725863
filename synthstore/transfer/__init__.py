"""Moving data: entities as rows that no layout owns, out of a store and into one."""
