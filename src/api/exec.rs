//! Becoming another program. Both calls return only to throw.

use std::collections::HashMap;

use napi_derive::napi;

use crate::control::{exec, reexec};
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
