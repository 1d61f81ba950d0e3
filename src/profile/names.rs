//! Turns addresses into functions, and folds the frames that nobody asked about.
