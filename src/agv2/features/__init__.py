"""Functions of the past: each value at bar t uses bars up to and including t."""
