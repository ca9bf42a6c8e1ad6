"""Running a bundle for real: service, monitoring, safeguards."""
