"""From a network or a descriptor and a test set to features, a ranking and its figures."""
