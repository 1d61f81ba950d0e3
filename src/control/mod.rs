//! The only code that changes the process.

pub mod exec;
mod handover;
pub mod purge;
pub mod reexec;
pub mod trial;
