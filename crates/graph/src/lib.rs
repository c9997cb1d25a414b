//! steerable-graph
