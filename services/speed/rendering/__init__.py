"""Roads that were never driven: a world with a known path, its textures, what stands beside it, and the lens."""
