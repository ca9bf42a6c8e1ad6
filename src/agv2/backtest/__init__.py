"""Finding out whether it works: simulator, replay, measures, evidence."""
