//! A flame graph: one SVG that needs nothing else.
