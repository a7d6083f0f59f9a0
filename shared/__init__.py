"""What every Vernier process needs and that knows no service."""

VERSION = "0.1.0"
