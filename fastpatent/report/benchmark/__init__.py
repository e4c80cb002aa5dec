"""What a person sees of a benchmark: tables, pictures, and one page that holds them all."""
