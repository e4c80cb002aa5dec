"""A data set in the layout of DeepPatent, built from the weekly grant archives of the United States patent office."""
