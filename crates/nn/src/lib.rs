//! steerable-nn
