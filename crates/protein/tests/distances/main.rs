//! Comparing structures, and the ways from distances to coordinates.

mod chains;
mod compare;
