//! What one dump has more than another.
