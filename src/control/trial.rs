//! A trial of this executable with other variables, before `reexec` does it in earnest.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How a trial ended.
pub struct Ended {
    /// The exit status.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard error, as far as [`LONGEST`].
    pub stderr: String,
}

const LONGEST: usize = 16 * 1024;

/// Runs `node --version`, which ends before V8 is started, with `variables` added to the environment; kills
/// it when it is not over within `limit`.
pub fn version(variables: &HashMap<String, String>, limit: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new("/proc/self/exe")
        .arg("--version")
        .envs(variables)
        // It is not what is tried, and may name modules that run.
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().map(|pipe| read_until(pipe, deadline)).unwrap_or_default();
    let status = wait_until(&mut child, deadline)?;
    Ok(Ended {
        status: status.code(),
        signal: status.signal(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// What is written until the other end is closed.
fn read_until(mut pipe: ChildStderr, deadline: Instant) -> Vec<u8> {
    let mut text = Vec::new();
    let mut chunk = [0; 1024];
    while text.len() < LONGEST && is_readable(&pipe, deadline) {
        match pipe.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => text.extend_from_slice(&chunk[..count]),
        }
    }
    text
}

fn is_readable(pipe: &ChildStderr, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    let mut event = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: poll(2) on one pollfd that is alive.
    unsafe { libc::poll(&mut event, 1, left.try_into().unwrap_or(i32::MAX)) > 0 }
}

fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<std::process::ExitStatus> {
    const PAUSE: Duration = Duration::from_micros(200);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(PAUSE);
    }
    child.kill()?;
    child.wait()
}
