"""Inside the local store: files, names and what is known of a series beside its bars."""
