//! Reads what jemalloc writes: `prof.dump`, format `heap_v2`.
