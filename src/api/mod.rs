//! The only code that Node-API sees. `index.js` is its only caller.
//!
//! Every function catches unwinding: a panic becomes a JavaScript error, never an abort.

mod background;
#[cfg(feature = "bench")]
mod bench;
mod read;
mod table;
mod tasks;
mod types;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::control::exec;
use crate::error::{Code, Error};

/// Replaces this process by a command; throws when that fails, with the errno as `errno`.
#[napi(catch_unwind)]
pub fn exec(file: Buffer, arguments: Vec<Buffer>, environment: Vec<Buffer>) -> napi::Result<(), Code> {
    // Bytes, not strings: a file name need not be UTF-8.
    let string = |bytes: Buffer| OsString::from_vec(bytes.to_vec());
    let strings = |list: Vec<Buffer>| list.into_iter().map(string).collect();
    Err(Error::Exec(exec::exec(string(file), strings(arguments), strings(environment))).into())
}
