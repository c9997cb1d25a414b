//! steerable-kernels
