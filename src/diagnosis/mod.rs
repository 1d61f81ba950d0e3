//! Pure rules: an inspection and a window of samples in, findings out. No I/O, no clock.
//!
//! `case` and `window` are what comes in, `view` what several rules ask of it, `trend` and `growth` tell
//! growth from noise and from warming up; each file in `rules` judges one cause, and `verdict` says which
//! matters most.

mod case;
mod finding;
mod growth;
mod rules;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testing;
mod trend;
mod verdict;
mod view;
mod window;
pub(crate) mod words;

use std::fmt;

use case::{Case, Read};
use serde_json::Value;
use window::Window;

pub use verdict::Diagnosis;

/// What cannot be judged.
#[derive(Debug)]
pub enum Unreadable {
    /// The case is not JSON, or a figure in it is none.
    Case(serde_json::Error),
    /// The window has so many numbers, which make no whole rows.
    Window(usize),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Case(error) => write!(f, "expected a case as JSON: {error}"),
            Unreadable::Window(length) => {
                write!(f, "expected a window in rows of {} numbers, got {length} numbers", window::WIDTH)
            }
        }
    }
}

/// Judges a case and the samples before it.
pub fn diagnose(case: &str, window: &[f64]) -> Result<Diagnosis, Unreadable> {
    let case: Value = serde_json::from_str(case).map_err(Unreadable::Case)?;
    let case = Case::read(&case);
    let window = Window::new(window).ok_or(Unreadable::Window(window.len()))?;
    Ok(verdict::diagnose(&view::View { case: &case, window: &window }))
}
