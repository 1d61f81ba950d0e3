//! The asynchronous calls. Each runs on a thread of its own.

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use serde_json::json;

use super::background::spawn;
use super::types::{Printout, PurgeReport};
use crate::control::purge;
use crate::error::{Code, Error};
use crate::snapshot::{self, Stats};
use crate::sources::jemalloc;

/// Flushes this thread's cache here, then purges elsewhere. `v8Resident` is this isolate's heap.
#[napi(catch_unwind, ts_return_type = "Promise<PurgeReport>")]
pub fn purge(env: &Env, v8_resident: f64) -> napi::Result<Object<'_>, Code> {
    purge::flush_thread_cache();
    spawn(
        env,
        "heapgap-purge",
        move || Ok(purge::purge(v8_resident as u64)),
        |report| PurgeReport::from(&report),
    )
}

/// Refreshes what synchronous readings may have had to reuse.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn refresh(env: &Env) -> napi::Result<Object<'_>, Code> {
    let work = || {
        snapshot::refresh_if_due();
        Ok(())
    };
    spawn(env, "heapgap-refresh", work, |()| ())
}

/// jemalloc's own account of itself, and heapgap's figures of the same epoch.
#[napi(catch_unwind, ts_return_type = "Promise<Printout>")]
pub fn printout(env: &Env) -> napi::Result<Object<'_>, Code> {
    let work = || {
        let (printout, figures) = jemalloc::printout().map_err(Error::Printout)?;
        Ok(Printout {
            printout,
            stats: (&Stats::from(figures)).into(),
            arenas: json!(jemalloc::arenas()),
            size_classes: json!(jemalloc::size_classes()),
            decay: json!(jemalloc::decay()),
        })
    };
    spawn(env, "heapgap-printout", work, |printout| printout)
}
