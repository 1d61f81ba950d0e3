//! The only code that Node-API sees. `index.js` is its only caller.
//!
//! Every function catches unwinding: a panic becomes a JavaScript error, never an abort.

mod background;
#[cfg(feature = "bench")]
mod bench;
mod container;
mod diagnose;
mod exec;
mod governor;
mod inspect;
mod options;
mod profiler;
mod read;
mod table;
mod tasks;
mod types;
