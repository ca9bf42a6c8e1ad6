"""Where opening hours come from: a calendar library, or the bars themselves."""
