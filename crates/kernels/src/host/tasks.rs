//! Work cut into pieces that own what they write.

use rayon::prelude::*;

/// Rows of a task, at least: fewer are not worth a second thread.
const ROWS: usize = 256;

/// Tasks, at most: each may have sums over its rows of its own.
const TASKS: usize = 64;

/// How many of so many rows a task takes: no matter how many threads there are, so that sums over rows
/// have one order.
pub(crate) fn rows_per_task(rows: usize) -> usize {
    ROWS.max(rows.div_ceil(TASKS))
}

/// Runs tasks side by side and keeps their order; on the calling thread where there is one task or
/// one thread, since waking others costs as much as a small graph.
pub(crate) fn run_all<A: Send, R: Send>(
    tasks: Vec<A>,
    body: impl Fn(A) -> R + Sync + Send,
) -> Vec<R> {
    if tasks.len() < 2 || rayon::current_num_threads() == 1 {
        tasks.into_iter().map(body).collect()
    } else {
        tasks.into_par_iter().map(body).collect()
    }
}

/// Cuts a slice into consecutive pieces of these lengths.
pub(crate) fn split_mut<T>(
    mut all: &mut [T],
    lengths: impl Iterator<Item = usize>,
) -> Vec<&mut [T]> {
    lengths
        .map(|len| {
            let (piece, rest) = std::mem::take(&mut all).split_at_mut(len);
            all = rest;
            piece
        })
        .collect()
}
