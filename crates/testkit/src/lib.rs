//! steerable-testkit
