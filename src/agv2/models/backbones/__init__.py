"""What reads the bars of a window: one module a backbone, each with the settings that only it has."""
