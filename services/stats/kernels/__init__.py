"""The loops of the trend tests, compiled: arrays and numbers in, arrays and numbers out."""
