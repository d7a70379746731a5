"""MLflow: runs, the model registry and its aliases."""
