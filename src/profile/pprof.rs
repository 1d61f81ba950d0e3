//! The format of pprof and what reads it: a gzipped protocol buffer.
