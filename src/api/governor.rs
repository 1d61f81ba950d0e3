//! `govern()`: starts the governor's thread, whose events come to JavaScript one by one.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use napi::Env;
use napi::bindgen_prelude::{Function, Object};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use serde_json::{Value, json};

use super::background::spawn;
use super::read::duration;
use crate::control::governor::{self, Collected, Collection, Event, EventKind, Marks, Options};
use crate::error::{Code, Error};
use crate::sources::Figure;

/// `GovernOptions`, with the defaults filled in.
#[napi(object)]
pub struct GovernorOptions {
    /// Bytes of RSS.
    pub limit: Option<f64>,
    /// Shares of the limit.
    pub pressure_mark: f64,
    pub calm_mark: f64,
    pub limit_mark: f64,
    pub dirty_mark: f64,
    /// Milliseconds.
    pub calm_after_ms: f64,
    /// 0 for never.
    pub purge_every_ms: f64,
    pub min_interval_ms: f64,
    pub max_interval_ms: f64,
    /// Whether V8 is asked for collections.
    pub gc: bool,
}

impl From<&GovernorOptions> for Options {
    fn from(given: &GovernorOptions) -> Self {
        Self {
            limit: given.limit.map(|limit| limit as u64),
            marks: Marks {
                pressure: given.pressure_mark,
                calm: given.calm_mark,
                limit: given.limit_mark,
                dirty: given.dirty_mark,
                calm_after: duration(given.calm_after_ms),
                purge_every: (given.purge_every_ms > 0.0).then(|| duration(given.purge_every_ms)),
                least_rest: duration(given.min_interval_ms),
                most_rest: duration(given.max_interval_ms),
                collect: given.gc,
            },
        }
    }
}

/// So many events wait for a blocked event loop; those beyond are dropped.
const QUEUE: usize = 256;

/// Weak: it keeps no process alive. It calls back with one JSON text.
type Callback = ThreadsafeFunction<String, (), String, napi::Status, false, true, QUEUE>;

/// Starts the governor; answers its number.
#[napi(catch_unwind)]
pub fn govern(
    env: &Env,
    options: GovernorOptions,
    #[napi(ts_arg_type = "(event: string) => void")] callback: Function<'_, String, ()>,
) -> napi::Result<f64, Code> {
    let callback: Callback = callback
        .build_threadsafe_function::<String>()
        .callee_handled::<false>()
        .weak::<true>()
        .max_queue_size::<QUEUE>()
        .build()
        .map_err(Error::Node)?;
    let listener = move |event: Event| {
        // Refused where the queue is full, and where the thread that listens has ended.
        let _ = callback.call(written(&event).to_string(), ThreadsafeFunctionCallMode::NonBlocking);
    };
    let id = governor::start((&options).into(), Box::new(listener))?;
    end_with_this_thread(env, id);
    Ok(id as f64)
}

thread_local! {
    /// The last governor that this JavaScript thread has started.
    static STARTED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A worker thread that ends has its governor end. One hook a thread, however often it starts one.
fn end_with_this_thread(env: &Env, id: u64) {
    if STARTED.replace(Some(id)).is_none() {
        let _ = env.add_env_cleanup_hook((), |()| {
            STARTED.get().map(governor::dismiss);
        });
    }
}

/// Tells a governor to end; answers when its thread has.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn stop_governor(env: &Env, id: f64) -> napi::Result<Object<'_>, Code> {
    let leaving = governor::dismiss(id as u64);
    let work = || {
        leaving.wait();
        Ok(())
    };
    spawn(env, "heapgap-stop", work, |()| ())
}

/// As `stop_governor`, without waiting: another may be started at once.
#[napi(catch_unwind)]
pub fn dismiss_governor(id: f64) {
    governor::dismiss(id as u64);
}

/// V8 has collected what the governor asked for.
#[napi(catch_unwind)]
pub fn governor_collected(freed: f64, duration_ms: f64) {
    governor::collected(Collected { freed: freed as u64, took: duration(duration_ms) });
}

/// To the microsecond.
fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

fn number(figure: Figure) -> Value {
    figure.map_or(Value::Null, Value::from)
}

/// An event as `index.d.ts` has it, with its name as `event`.
fn written(event: &Event) -> Value {
    let time = event.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let mut written = json!({ "time": time, "limit": number(event.limit), "usage": number(event.usage) });
    let more = match event.kind {
        EventKind::Pressure(cause) => json!({ "event": "pressure", "reason": cause.name() }),
        EventKind::Purge(reason, outcome) => json!({
            "event": "purge",
            "reason": reason.name(),
            "method": outcome.method,
            "rssBefore": number(outcome.before),
            "rssAfter": number(outcome.after),
            "released": outcome.released(),
            "durationMs": ms(outcome.duration),
        }),
        EventKind::Calm(lasted) => json!({ "event": "calm", "durationMs": ms(lasted) }),
        EventKind::Limit => json!({ "event": "limit" }),
        EventKind::LimitChange { previous } => {
            json!({ "event": "limitChange", "previous": number(previous) })
        }
        EventKind::Collect(which) => json!({ "event": "collect", "full": which == Collection::Full }),
    };
    if let (Some(fields), Value::Object(more)) = (written.as_object_mut(), more) {
        fields.extend(more);
    }
    written
}
