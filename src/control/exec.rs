//! Becoming another program, for `heapgap run`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Replaces this process by `file`, found along `PATH`, with `variables` added to the environment.
/// Returns only when that fails.
pub fn exec(file: &str, arguments: &[String], variables: &HashMap<String, String>) -> io::Error {
    restore_signals();
    let channel = variables.get("NODE_CHANNEL_FD").and_then(|fd| fd.parse().ok());
    for descriptor in (0..=2).chain(inherited()).chain(channel) {
        keep_open(descriptor);
    }
    // Also empties the signal mask and gives SIGPIPE its default action back, which Node.js ignores.
    Command::new(file).args(arguments).envs(variables).exec()
}

/// Node.js ignores SIGXFSZ (node::PlatformInit), and an ignored signal stays ignored across exec
/// (signal(7)).
fn restore_signals() {
    // SAFETY: SIG_DFL is valid for SIGXFSZ; signal(2).
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
}

/// The descriptors from 3 on that this process was started with, such as those of systemd's socket
/// activation (sd_listen_fds(3)): Node.js marks them close-on-exec (uv_disable_stdio_inheritance).
///
/// What Node.js opens itself bears the same mark. But a new descriptor takes the lowest free number
/// (open(2)), and the first that Node.js keeps open is the epoll instance of an event loop: numbers
/// that are taken without a gap below it were taken before. Behind a gap nothing tells the two apart,
/// and to hand on too many could keep a connection or a port of Node.js's own open for good.
fn inherited() -> impl Iterator<Item = RawFd> {
    (3..).take_while(|descriptor| {
        fs::read_link(format!("/proc/self/fd/{descriptor}"))
            .is_ok_and(|target| target != Path::new("anon_inode:[eventpoll]"))
    })
}

fn keep_open(descriptor: RawFd) {
    // SAFETY: fcntl(2) on any number is safe; EBADF where the descriptor is closed.
    unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFD);
        if flags >= 0 {
            libc::fcntl(descriptor, libc::F_SETFD, flags & !libc::FD_CLOEXEC);
        }
    }
}
