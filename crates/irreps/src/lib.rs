//! steerable-irreps
