//! steerable-steerable
