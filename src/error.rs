//! What can go wrong when heapgap is told to act, as stable codes. Reading has no errors: a figure
//! that cannot be had is [`Absent`](crate::sources::Absent).

use std::fmt;
use std::io;

use crate::control::profiler;
use crate::diagnosis::Unreadable;
use crate::profile::render;

/// An error that JavaScript sees as `code` and `message`.
#[derive(Debug)]
pub enum Error {
    /// A thread of heapgap's own could not be started.
    Thread(io::Error),
    /// A governor runs already.
    Governed,
    /// The command could not be started.
    Exec(io::Error),
    /// jemalloc did not describe itself.
    Printout(io::Error),
    /// What was found could not be written down.
    Json(serde_json::Error),
    /// What a diagnosis was asked of cannot be read.
    Case(Unreadable),
    /// The profiler did not do what it was told.
    Profiler(profiler::Error),
    /// A profile could not be written.
    Render(render::Error),
    /// Node-API refused a call.
    Node(napi::Error),
}

/// What napi-rs takes as an error's `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(&'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl From<napi::Status> for Code {
    fn from(_: napi::Status) -> Self {
        Code("ERR_HEAPGAP_INTERNAL")
    }
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> Code {
        Code(match self {
            Error::Thread(_) => "ERR_HEAPGAP_THREAD",
            Error::Governed => "ERR_HEAPGAP_ALREADY_GOVERNED",
            Error::Exec(error) if error.kind() == io::ErrorKind::NotFound => "ERR_HEAPGAP_COMMAND_NOT_FOUND",
            Error::Exec(_) => "ERR_HEAPGAP_EXEC",
            Error::Printout(_) => "ERR_HEAPGAP_PRINTOUT",
            Error::Profiler(_) | Error::Render(_) => "ERR_HEAPGAP_PROFILER",
            // JavaScript wrote the case: a bad one is heapgap's own fault.
            Error::Case(_) | Error::Json(_) | Error::Node(_) => "ERR_HEAPGAP_INTERNAL",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Thread(error) => write!(f, "could not start a thread: {error}"),
            Error::Governed => {
                f.write_str("a governor runs in this process already: stop it before another is started")
            }
            Error::Exec(error) => write!(f, "{error}"),
            Error::Printout(error) => write!(f, "jemalloc did not describe itself: {error}"),
            Error::Json(error) => write!(f, "could not write JSON: {error}"),
            Error::Case(error) => write!(f, "{error}"),
            Error::Profiler(error) => write!(f, "{error}"),
            Error::Render(error) => write!(f, "{error}"),
            Error::Node(error) => write!(f, "Node-API refused a call: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<render::Error> for Error {
    fn from(error: render::Error) -> Self {
        Self::Render(error)
    }
}

impl From<profiler::Error> for Error {
    fn from(error: profiler::Error) -> Self {
        Self::Profiler(error)
    }
}

impl From<Error> for napi::Error<Code> {
    fn from(error: Error) -> Self {
        napi::Error::new(error.code(), error.to_string())
    }
}
