//! What the live jemalloc was told at start, and took.

use napi_derive::napi;
use serde_json::{Map, Value};

use crate::live::{self, Kind};
use crate::sources::jemalloc;

/// jemalloc's options as they are in force (`opt.*`), of all that heapgap knows or of `names`; `null`
/// where another allocator is live. An option that this jemalloc does not have is left out.
#[napi(catch_unwind, ts_return_type = "Record<string, string | number | boolean | null> | null")]
pub fn options(names: Option<Vec<String>>) -> Option<Map<String, Value>> {
    (live::allocator().kind == Kind::Jemalloc).then(|| jemalloc::options(names.as_deref()))
}
