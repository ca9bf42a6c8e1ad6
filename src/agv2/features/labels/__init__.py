"""Training targets; the one place in the project that may look ahead."""
