//! The diagnosis: a case and a window in, findings out.

use napi::Env;
use napi::bindgen_prelude::{Float64Array, Object};
use napi_derive::napi;

use super::background::spawn;
use crate::diagnosis;
use crate::error::{Code, Error};

/// Judges a case (`{ inspection, facts, experiment }` as JSON) and the samples of a watch, in rows; answers
/// `{ verdict, summary, findings }` as JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn diagnose(env: &Env, case_json: String, window: Float64Array) -> napi::Result<Object<'_>, Code> {
    // JavaScript may write to its array meanwhile.
    let window = window.to_vec();
    let work = move || {
        let diagnosis = diagnosis::diagnose(&case_json, &window).map_err(Error::Case)?;
        serde_json::to_string(&diagnosis).map_err(|error| Error::Case(diagnosis::Unreadable::Case(error)))
    };
    spawn(env, "heapgap-diagnose", work, |json| json)
}
