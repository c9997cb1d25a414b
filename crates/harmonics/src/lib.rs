//! steerable-harmonics
