"""The parts of a run, each a generator of rows."""
