//! The only code that Node-API sees. `index.js` is its only caller.
//!
//! Every function catches unwinding: a panic becomes a JavaScript error, never an abort.

mod background;
#[cfg(feature = "bench")]
mod bench;
mod container;
mod read;
mod table;
mod tasks;
mod types;

use std::collections::HashMap;

use napi_derive::napi;

use crate::control::exec;
use crate::error::{Code, Error};

/// Replaces this process by a command, with `variables` added to its environment; throws when that
/// fails.
#[napi(catch_unwind)]
pub fn exec(
    file: String,
    arguments: Vec<String>,
    variables: HashMap<String, String>,
) -> napi::Result<(), Code> {
    Err(Error::Exec(exec::exec(&file, &arguments, &variables)).into())
}
