"""What MLflow is told, where it is asked for: trainings, whole runs, models."""
