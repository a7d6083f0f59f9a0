"""Statements in, vectors, groups and bits out."""
