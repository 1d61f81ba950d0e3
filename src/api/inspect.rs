//! `inspect()`: crosses as one JSON text, because setting the properties of hundreds of rows through
//! Node-API would hold the event loop for milliseconds, where JSON.parse takes a few hundred microseconds.

use std::path::Path;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use super::background::spawn;
use crate::error::{Code, Error};
use crate::snapshot::ledger::{Share, V8, Worker};
use crate::snapshot::{inspection, outside};

/// What only JavaScript can ask V8, in bytes.
#[napi(object, use_nullable = true)]
pub struct Isolates {
    /// This isolate's pages in physical memory.
    pub heap_physical: f64,
    /// `null` where Node.js could not say.
    pub array_buffers: Option<f64>,
    /// All memory that V8 was told of.
    pub external: f64,
    /// The heap by space.
    pub spaces: Vec<Space>,
    /// Other isolates that answered.
    pub workers: Vec<OtherIsolate>,
    /// How many other isolates there are.
    pub other_isolates: u32,
}

/// A heap space.
#[napi(object)]
pub struct Space {
    /// V8's name for it.
    pub name: String,
    /// Its pages in physical memory.
    pub bytes: f64,
}

/// A worker thread's isolate.
#[napi(object)]
pub struct OtherIsolate {
    /// What the ledger calls it.
    pub name: String,
    /// Its pages in physical memory.
    pub heap_physical: f64,
    /// All memory that its V8 was told of.
    pub external: f64,
}

impl From<Isolates> for V8 {
    fn from(isolates: Isolates) -> Self {
        let space = |space: Space| Share { name: space.name, bytes: space.bytes as u64 };
        let worker = |worker: OtherIsolate| Worker {
            name: worker.name,
            heap: worker.heap_physical as u64,
            external: worker.external as u64,
        };
        Self {
            heap: isolates.heap_physical as u64,
            spaces: isolates.spaces.into_iter().map(space).collect(),
            array_buffers: isolates.array_buffers.map(|bytes| bytes as u64),
            external: isolates.external as u64,
            workers: isolates.workers.into_iter().map(worker).collect(),
            other_isolates: isolates.other_isolates as usize,
        }
    }
}

/// Reads all that takes too long for a synchronous call; answers JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn inspect(env: &Env, isolates: Isolates) -> napi::Result<Object<'_>, Code> {
    let v8 = V8::from(isolates);
    spawn(
        env,
        "heapgap-inspect",
        move || serde_json::to_string(&inspection::inspect(&v8)).map_err(Error::Json),
        |json| json,
    )
}

/// What the kernel shows of the process `pid`, and its address space by kind where `mappings` is true; answers
/// JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn outside(env: &Env, pid: u32, mappings: bool) -> napi::Result<Object<'_>, Code> {
    let work = move || {
        let all = outside::read(Path::new("/"), pid, mappings);
        serde_json::to_string(&all).map_err(Error::Json)
    };
    spawn(env, "heapgap-outside", work, |json| json)
}
