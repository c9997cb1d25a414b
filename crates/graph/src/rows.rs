//! One row of neighbours per node, searched in tree order and stored in node order.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::GraphError;
use crate::tree::{Item, KdTree};

/// Queries of one task. They are neighbours in space, so they walk the same part of the tree.
const TASK_QUERIES: usize = 64;
/// Rows copied by one task.
const TASK_ROWS: usize = 4096;
/// Fewest queries worth waking the thread pool for.
const PARALLEL_QUERIES: usize = 1024;

/// The entries of row `i` are `entries[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows<T> {
    pub(crate) offsets: Vec<u32>,
    pub(crate) entries: Vec<T>,
}

/// The rows of the queries of one task, in tree order.
struct Task<T> {
    ends: Vec<usize>,
    entries: Vec<T>,
}

/// Asks `search` for the row of every point of the tree; it appends the row, sorted.
///
/// `scratch` makes what a task may reuse between its queries.
///
/// # Errors
/// [`GraphError::TooManyEdges`] as soon as the rows together exceed `u32`.
pub(crate) fn search_rows<T, S>(
    tree: &KdTree,
    scratch: impl Fn() -> S + Sync,
    search: impl Fn(&mut S, &Item, &mut Vec<T>) + Sync,
) -> Result<Rows<T>, GraphError>
where
    T: Copy + Default + Send + Sync,
{
    let limit = u64::from(u32::MAX);
    let total = AtomicU64::new(0);
    let run = |queries: &[Item]| -> Result<Task<T>, GraphError> {
        let mut state = scratch();
        let mut task = Task {
            ends: Vec::with_capacity(queries.len()),
            entries: Vec::new(),
        };
        for query in queries {
            search(&mut state, query, &mut task.entries);
            task.ends.push(task.entries.len());
        }
        let found = task.entries.len() as u64;
        if total.fetch_add(found, Ordering::Relaxed) + found > limit {
            return Err(GraphError::TooManyEdges {
                at_least: limit + 1,
            });
        }
        Ok(task)
    };
    let items = tree.items();
    let tasks: Vec<Task<T>> = if items.len() < PARALLEL_QUERIES {
        items
            .chunks(TASK_QUERIES)
            .map(run)
            .collect::<Result<_, _>>()?
    } else {
        items
            .par_chunks(TASK_QUERIES)
            .map(run)
            .collect::<Result<_, _>>()?
    };
    Ok(in_node_order(items, &tasks))
}

fn in_node_order<T>(items: &[Item], tasks: &[Task<T>]) -> Rows<T>
where
    T: Copy + Default + Send + Sync,
{
    let found = |place: usize| {
        let task = &tasks[place / TASK_QUERIES];
        let within = place % TASK_QUERIES;
        let start = if within == 0 {
            0
        } else {
            task.ends[within - 1]
        };
        &task.entries[start..task.ends[within]]
    };
    let mut places = vec![0u32; items.len()];
    let mut offsets = vec![0u32; items.len() + 1];
    for (place, item) in items.iter().enumerate() {
        places[item.index as usize] = place as u32;
        offsets[item.index as usize + 1] = found(place).len() as u32;
    }
    for node in 0..items.len() {
        offsets[node + 1] += offsets[node];
    }

    let mut entries = vec![T::default(); offsets[items.len()] as usize];
    let mut blocks = Vec::with_capacity(items.len().div_ceil(TASK_ROWS));
    let mut rest = entries.as_mut_slice();
    for places in places.chunks(TASK_ROWS) {
        let len = places
            .iter()
            .map(|&place| found(place as usize).len())
            .sum();
        let (block, after) = rest.split_at_mut(len);
        blocks.push((places, block));
        rest = after;
    }
    let copy = |(places, block): (&[u32], &mut [T])| {
        let mut rest = block;
        for &place in places {
            let row = found(place as usize);
            let (target, after) = rest.split_at_mut(row.len());
            target.copy_from_slice(row);
            rest = after;
        }
    };
    if blocks.len() > 1 {
        blocks.into_par_iter().for_each(copy);
    } else {
        blocks.into_iter().for_each(copy);
    }
    Rows { offsets, entries }
}
