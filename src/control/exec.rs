//! Becoming another program, for `heapgap run`.

use std::collections::HashMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::handover::{Handover, environment};

/// Replaces this process by `file`, found along `PATH`, with `variables` added to the environment that it was
/// started with.
/// Returns only when that fails.
pub fn exec(file: &str, arguments: &[String], variables: &HashMap<String, String>) -> io::Error {
    restore_signals();
    let environment = environment(variables);
    let _handover = Handover::new(&environment);
    // Also empties the signal mask and gives SIGPIPE its default action back, which Node.js ignores.
    Command::new(file).args(arguments).env_clear().envs(environment).exec()
}

/// Node.js ignores SIGXFSZ (node::PlatformInit), and an ignored signal stays ignored across exec
/// (signal(7)).
fn restore_signals() {
    // SAFETY: SIG_DFL is valid for SIGXFSZ; signal(2).
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
}
