"""Four things and no fifth: configuration, logging, seeding, clocks."""
