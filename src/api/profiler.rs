//! The heap profiler. What may have to wait for a dump runs on a thread of its own, but for `…_now`: before a program begins,
//! and at its end, where the leak check calls them.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use napi::Env;
use napi::bindgen_prelude::{Buffer, Object};
use napi_derive::napi;

use super::background::spawn;
use crate::control::profiler::{self, code_events};
use crate::error::{Code, Error};
use crate::profile::dump::without_versions;
use crate::profile::render::{Format, Request, render};
use crate::profile::resolve::Generated;

/// What the profiler does at the moment.
#[napi(object, use_nullable = true)]
pub struct ProfilerState {
    /// Why there can be no profile in this process; `null` where there can.
    pub why: Option<String>,
    pub active: bool,
    /// `null` where there can be no profile.
    pub sample_bytes: Option<f64>,
}

/// What the profiler does, or why there is none.
#[napi(catch_unwind)]
pub fn profiler_state() -> ProfilerState {
    match profiler::state() {
        Ok(state) => {
            ProfilerState { why: None, active: state.active, sample_bytes: Some(state.sample_bytes as f64) }
        }
        Err(why) => ProfilerState { why: Some(why.to_string()), active: false, sample_bytes: None },
    }
}

/// Samples from now on, every 2 to the power of `exponent` bytes on average. Answers why stacks do not go on into
/// JavaScript, or `null`.
#[napi(catch_unwind, ts_return_type = "Promise<string | null>")]
pub fn profiler_start(env: &Env, exponent: Option<u32>) -> napi::Result<Object<'_>, Code> {
    spawn(
        env,
        "heapgap-profiler",
        move || Ok(profiler::start(exponent)?),
        |missing| missing.map(|reason| reason.to_string()),
    )
}

/// Takes no more samples.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn profiler_stop(env: &Env) -> napi::Result<Object<'_>, Code> {
    spawn(env, "heapgap-profiler", || Ok(profiler::stop()?), |()| ())
}

/// From now on, what was sampled so far is not shown.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn profiler_reset(env: &Env) -> napi::Result<Object<'_>, Code> {
    spawn(env, "heapgap-profiler", || Ok(profiler::reset()?), |()| ())
}

/// What was sampled and is still live, in jemalloc's own text: `plain` as its tools read it, else for [`profiler_render`], with
/// versions of generated code above its addresses.
#[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
pub fn profiler_dump(env: &Env, plain: bool) -> napi::Result<Object<'_>, Code> {
    let work = move || {
        let text = profiler::dump()?;
        Ok(if plain { without_versions(&text) } else { text })
    };
    spawn(env, "heapgap-profiler", work, Buffer::from)
}

/// How a profile is to be written.
#[napi(object, use_nullable = true)]
pub struct Rendering {
    #[napi(ts_type = "'pprof' | 'flamegraph' | 'stacks'")]
    pub format: String,
    /// jemalloc's text from before, to show the growth since then; without one, since the last reset.
    pub before: Option<Buffer>,
    /// Where V8 writes the names of its code, if it was told to.
    pub perf_map: Option<String>,
    /// What stands above a flame graph.
    pub title: String,
    /// When the text, or the one before it, was taken; in milliseconds since the epoch.
    pub time_ms: f64,
    pub duration_ms: Option<f64>,
}

/// What jemalloc's text says, with names, in another format.
#[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
pub fn profiler_render(env: &Env, text: Buffer, rendering: Rendering) -> napi::Result<Object<'_>, Code> {
    let request = request(&text, rendering);
    spawn(env, "heapgap-profiler", || Ok(render(request)?), Buffer::from)
}

/// [`profiler_start`] at once: before a program begins, there is nothing to be held up.
#[napi(catch_unwind)]
pub fn profiler_start_now(exponent: u32) -> napi::Result<Option<String>, Code> {
    let missing = profiler::start(Some(exponent)).map_err(Error::from)?;
    Ok(missing.map(|reason| reason.to_string()))
}

/// [`profiler_dump`] at once, for [`profiler_render_now`]: at a program's end, nothing would wait for a promise.
#[napi(catch_unwind)]
pub fn profiler_dump_now() -> napi::Result<Buffer, Code> {
    Ok(profiler::dump().map_err(Error::from)?.into())
}

/// [`profiler_render`] at once, as above.
#[napi(catch_unwind)]
pub fn profiler_render_now(text: Buffer, rendering: Rendering) -> napi::Result<Buffer, Code> {
    Ok(render(request(&text, rendering)).map_err(Error::from)?.into())
}

/// All of it copied: another thread must not hold on to JavaScript's memory.
fn request(text: &Buffer, rendering: Rendering) -> Request {
    Request {
        format: format_of(&rendering.format),
        text: text.to_vec(),
        before: rendering.before.map(|before| before.to_vec()).or_else(profiler::baseline),
        code: Generated { events: code_events::names_of, map: rendering.perf_map.map(PathBuf::from) },
        title: rendering.title,
        time: UNIX_EPOCH + millis(rendering.time_ms),
        duration: rendering.duration_ms.map(millis),
    }
}

/// Who calls has checked it.
fn format_of(name: &str) -> Format {
    match name {
        "stacks" => Format::Stacks,
        "flamegraph" => Format::Flamegraph,
        _ => Format::Pprof,
    }
}

fn millis(number: f64) -> Duration {
    Duration::try_from_secs_f64(number / 1000.0).unwrap_or_default()
}

/// Hears from now on what V8 calls the code that this thread's isolate generates. Answers why not, or `null`.
#[napi(catch_unwind)]
pub fn profiler_name_code() -> Option<String> {
    code_events::listen().err().map(|reason| reason.to_string())
}
