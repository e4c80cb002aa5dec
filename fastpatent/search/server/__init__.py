"""The HTTP server of an index: search page, workspace and API. Needs the extra `search`; only `fastpatent serve` loads it."""
