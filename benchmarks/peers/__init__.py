"""The servers that Vernier is compared with, each in an environment of its own."""
