//! Becoming another program, for `heapgap run`.

use std::collections::HashMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process by `file`, found along `PATH`, with `variables` added to the environment.
/// Returns only when that fails.
pub fn exec(file: &str, arguments: &[String], variables: &HashMap<String, String>) -> io::Error {
    undo_nodes_changes();
    // Also empties the signal mask and gives SIGPIPE its default action back, which Node.js ignores.
    Command::new(file).args(arguments).envs(variables).exec()
}

/// What else Node.js changes of what a program inherits (node::PlatformInit): it ignores SIGXFSZ,
/// and an ignored signal stays ignored across exec (signal(7)); and the standard streams are marked
/// close-on-exec.
fn undo_nodes_changes() {
    // SAFETY: SIG_DFL is valid for SIGXFSZ; signal(2).
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
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
