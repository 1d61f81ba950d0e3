//! Nothing to call: the work is in `build.rs`, which links jemalloc's archive into the
//! `libjemalloc.so.2` that `heapgap run` preloads. The crate exists apart from the addon because
//! cargo unifies features within one invocation, and the addon must not link a jemalloc at all.
