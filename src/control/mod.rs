//! The only code that changes the process.

pub mod exec;
pub mod governor;
#[cfg(feature = "bench")]
pub mod growth;
mod handover;
pub mod profiler;
pub mod purge;
pub mod reexec;
pub mod trial;
