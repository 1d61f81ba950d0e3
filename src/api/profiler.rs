//! The heap profiler. All but its state may have to wait for a dump, so each call runs on a thread of its own.

use napi::Env;
use napi::bindgen_prelude::{Buffer, Object};
use napi_derive::napi;

use super::background::spawn;
use crate::control::profiler;
use crate::error::Code;

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

/// Forgets what was sampled.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn profiler_reset(env: &Env) -> napi::Result<Object<'_>, Code> {
    spawn(env, "heapgap-profiler", || Ok(profiler::reset()?), |()| ())
}

/// What was sampled and is still live, in jemalloc's own text.
#[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
pub fn profiler_dump(env: &Env) -> napi::Result<Object<'_>, Code> {
    spawn(env, "heapgap-profiler", || Ok(profiler::dump()?), Buffer::from)
}
