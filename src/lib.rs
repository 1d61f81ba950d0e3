//! The native half of heapgap: shows and closes the gap between a Node.js process's RSS and its
//! JavaScript heap.
//!
//! Data flows one way, `live` → `sources` → `snapshot` → `api` → JavaScript, and only `control`
//! changes the process. ARCHITECTURE.md has the map and the invariants.

// napi-derive registers nothing in a test build, so that what only JavaScript calls looks unused.
#![cfg_attr(test, allow(dead_code))]

mod api;
mod control;
mod diagnosis;
mod error;
mod live;
mod profile;
mod snapshot;
mod sources;
