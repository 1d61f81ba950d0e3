//! What V8 calls the code that it generates: the map of `--perf-basic-prof`.
