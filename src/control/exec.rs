//! Becoming another program, for `heapgap run`.

use std::ffi::{CString, NulError, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

/// Replaces this process by `file`, found along `PATH`; returns only when that fails.
///
/// `environment` is complete: `NAME=value` each.
pub fn exec(file: OsString, arguments: Vec<OsString>, environment: Vec<OsString>) -> io::Error {
    let strings = |strings: Vec<OsString>| -> Result<Vec<CString>, NulError> {
        strings.into_iter().map(|string| CString::new(string.into_vec())).collect()
    };
    let converted =
        (|| Ok::<_, NulError>((CString::new(file.into_vec())?, strings(arguments)?, strings(environment)?)))(
        );
    let (file, arguments, environment) = match converted {
        Ok(converted) => converted,
        Err(nul) => return nul.into(),
    };
    undo_nodes_changes();
    // SAFETY: both arrays end with a null pointer and outlive the call; exec(3).
    unsafe { libc::execvpe(file.as_ptr(), pointers(&arguments).as_ptr(), pointers(&environment).as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// What Node.js changed of what a program inherits (node::PlatformInit): it ignores SIGPIPE and
/// SIGXFSZ, and an ignored signal stays ignored across exec (signal(7)). libuv marks the standard
/// streams close-on-exec.
fn undo_nodes_changes() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: SIG_DFL is valid for both; signal(2).
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    for stream in 0..=2 {
        // SAFETY: fcntl(2) on any number is safe; EBADF where the stream is closed.
        unsafe {
            let flags = libc::fcntl(stream, libc::F_GETFD);
            if flags >= 0 {
                libc::fcntl(stream, libc::F_SETFD, flags & !libc::FD_CLOEXEC);
            }
        }
    }
}
