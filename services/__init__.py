"""The three services: each imports `shared` and itself, and meets the others over HTTP only."""
