"""Plant faults in a copy of the tree, one at a time, and see whether the tests notice."""
