//! Becoming another program, or this one anew.

use std::collections::HashMap;
use std::time::Duration;

use napi_derive::napi;

use crate::control::{exec, reexec, trial};
use crate::error::{Code, Error};

/// Replaces this process by a command, with `variables` added to the environment that it was started with;
/// throws when that fails.
#[napi(catch_unwind)]
pub fn exec(
    file: String,
    arguments: Vec<String>,
    variables: HashMap<String, String>,
) -> napi::Result<(), Code> {
    Err(Error::Exec(exec::exec(&file, &arguments, &variables)).into())
}

/// Starts this program anew in this process, with `variables` added to the environment that it was started
/// with; throws when that fails. `arguments` stand in for the kernel's copy of them; `script` is what was
/// read from standard input already, and `has_parent` says that there is a channel to a parent.
#[napi(catch_unwind)]
pub fn reexec(
    arguments: Option<Vec<String>>,
    variables: HashMap<String, String>,
    script: Option<String>,
    has_parent: bool,
) -> napi::Result<(), Code> {
    Err(Error::Exec(reexec::reexec(arguments, &variables, script.as_deref(), has_parent)).into())
}

/// How a trial ended.
#[napi(object, use_nullable = true)]
pub struct Trial {
    /// The exit status.
    pub status: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// `node --version` with `variables` added to the environment, which takes a few milliseconds, and `limit_ms` at
/// the most; throws where it cannot be run.
#[napi(catch_unwind)]
pub fn trial(variables: HashMap<String, String>, limit_ms: u32) -> napi::Result<Trial, Code> {
    let limit = Duration::from_millis(limit_ms.into());
    let trial::Ended { status, signal, stderr } = trial::version(&variables, limit).map_err(Error::Exec)?;
    Ok(Trial { status, signal, stderr })
}
