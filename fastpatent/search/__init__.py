"""An index of drawings on disk: built from a folder or a list, added to, checked, and searched."""
