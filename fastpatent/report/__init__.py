"""What a person sees of a result: tables, ranked galleries."""
