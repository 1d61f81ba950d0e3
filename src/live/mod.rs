//! Who serves `malloc` in this process, and how to talk to it.
//!
//! `malloc` is whatever the dynamic linker bound first, so what the process was told to load and
//! what serves it can differ. [`allocator`] proves the answer by behaviour.

mod detect;
pub mod forward;
pub mod mallinfo;
pub mod symbols;

pub use detect::{Allocator, Kind, allocator, glibc_version};
