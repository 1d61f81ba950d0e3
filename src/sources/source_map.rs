//! Where a script was generated from.
