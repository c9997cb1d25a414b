//! steerable-radial
