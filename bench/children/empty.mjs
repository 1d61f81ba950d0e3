// Nothing: what is timed is the start.
