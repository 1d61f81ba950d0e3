//! Becoming another program. Both calls return only to throw.

use std::collections::HashMap;

use napi_derive::napi;

use crate::control::{exec, reexec};
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

/// How Node.js understood its command line.
#[napi(object)]
pub struct Invocation {
    /// `process.argv0`.
    pub argv0: String,
    /// `process.execArgv`.
    pub options: Vec<String>,
    /// `process.argv` without its first.
    pub arguments: Vec<String>,
}

/// Starts this program anew in this process, with `variables` added to its environment; throws when that
/// fails. `script` is what was read from standard input already.
#[napi(catch_unwind)]
pub fn reexec(
    invocation: Invocation,
    variables: HashMap<String, String>,
    script: Option<String>,
) -> napi::Result<(), Code> {
    let Invocation { argv0, options, arguments } = invocation;
    let invocation = reexec::Invocation { argv0, options, arguments };
    Err(Error::Exec(reexec::reexec(invocation, &variables, script.as_deref())).into())
}
