"""The search server: one process that answers queries to an index by HTTP, as pages and as JSON."""
