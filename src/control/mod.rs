//! The only code that changes the process.

pub mod exec;
pub mod purge;
