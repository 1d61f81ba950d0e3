//! From jemalloc's text to what somebody looks at.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::resolve::{Resolved, resolve};
use super::{Dump, Kind, Profile, dump, flamegraph, growth, pprof};

/// What a profile is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Pprof,
    Flamegraph,
    /// JSON for heapgap's own use.
    Stacks,
}

/// What is to be written, of what.
#[derive(Debug)]
pub struct Request {
    pub format: Format,
    /// jemalloc's texts: the one to show, and one from before that it is compared with.
    pub text: Vec<u8>,
    pub before: Option<Vec<u8>>,
    /// V8's map of that process.
    pub perf_map: PathBuf,
    /// What the process is called.
    pub title: String,
    pub time: SystemTime,
    /// How long after `before` it was.
    pub duration: Option<Duration>,
}

/// The file's bytes, and what could not be named and why.
#[derive(Debug)]
pub struct Rendered {
    pub data: Vec<u8>,
    pub notes: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum Error {
    Dump(dump::Error),
    Growth(growth::Incomparable),
    Write(io::Error),
    Json(serde_json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dump(error) => write!(f, "{error}"),
            Self::Growth(error) => write!(f, "{error}"),
            Self::Write(error) => write!(f, "the profile could not be written: {error}"),
            Self::Json(error) => write!(f, "the profile could not be written: {error}"),
        }
    }
}

/// Reads, subtracts, names and writes. Takes as long as it takes: on a thread of its own.
pub fn render(request: Request) -> Result<Rendered, Error> {
    let mut dump = parse(&request.text)?;
    drop(request.text);
    if let Some(before) = &request.before {
        dump = growth::between(&parse(before)?, dump).map_err(Error::Growth)?;
    }
    let Resolved { profile, notes } = resolve(dump, &request.perf_map);
    let data = match request.format {
        Format::Pprof => {
            pprof::encode(&profile, request.time, request.duration, &notes).map_err(Error::Write)?
        }
        Format::Flamegraph => {
            let subtitle = subtitle(&profile, request.duration);
            flamegraph::draw(&profile, &request.title, &subtitle).map_err(Error::Write)?
        }
        Format::Stacks => serde_json::to_vec(&Stacks::of(&profile)).map_err(Error::Json)?,
    };
    Ok(Rendered { data, notes })
}

fn parse(text: &[u8]) -> Result<Dump, Error> {
    // File names are bytes, and need not be text: those are shown as well as they can be.
    dump::parse(&String::from_utf8_lossy(text)).map_err(Error::Dump)
}

/// `12.3 MB in 45 objects, estimated from one sample every 512 KiB`
fn subtitle(profile: &Profile, duration: Option<Duration>) -> String {
    let shown = profile.stacks.iter().filter(|stack| stack.bytes > 0);
    let (objects, bytes) =
        shown.fold((0_i64, 0_i64), |(objects, bytes), stack| (objects + stack.objects, bytes + stack.bytes));
    let what = match duration {
        Some(duration) => format!("grown in {:.0} s: ", duration.as_secs_f64()),
        None => "live: ".to_owned(),
    };
    let every = profile.sample_bytes / 1024;
    format!(
        "{what}{:.1} MB in {objects} objects, estimated from a sample every {every} KiB",
        bytes as f64 / 1e6
    )
}

/// All stacks, the largest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stacks<'a> {
    sample_bytes: u64,
    objects: i64,
    bytes: i64,
    stacks: Vec<StackRow<'a>>,
}

#[derive(Serialize)]
struct StackRow<'a> {
    objects: i64,
    bytes: i64,
    /// The innermost first.
    frames: Vec<FrameRow<'a>>,
}

#[derive(Serialize)]
struct FrameRow<'a> {
    name: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
    kind: &'static str,
}

impl<'a> Stacks<'a> {
    fn of(profile: &'a Profile) -> Self {
        let stacks = profile.stacks.iter().map(|stack| StackRow {
            objects: stack.objects,
            bytes: stack.bytes,
            frames: stack.locations.iter().filter_map(|&index| FrameRow::of(profile, index)).collect(),
        });
        Self {
            sample_bytes: profile.sample_bytes,
            objects: profile.stacks.iter().map(|stack| stack.objects).sum(),
            bytes: profile.stacks.iter().map(|stack| stack.bytes).sum(),
            stacks: stacks.collect(),
        }
    }
}

impl<'a> FrameRow<'a> {
    fn of(profile: &'a Profile, index: usize) -> Option<Self> {
        let function = &profile.locations.get(index)?.function;
        Some(Self {
            name: &function.name,
            file: function.file.as_deref(),
            line: function.line,
            kind: match function.kind {
                Kind::Native => "native",
                Kind::JavaScript => "javascript",
                Kind::Unknown => "unknown",
            },
        })
    }
}
