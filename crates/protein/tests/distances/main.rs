//! Comparing structures, and the ways from distances to coordinates.

mod ca_trace;
mod chains;
mod compare;
mod mds;
mod pairwise;
