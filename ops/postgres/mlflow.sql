-- Run once, when the volume is empty: MLflow's tables stay apart from the archive of bars.
CREATE DATABASE mlflow;
