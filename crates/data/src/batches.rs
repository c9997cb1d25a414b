//! Which items share a batch, and batches made ahead of their use.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most that a batch may hold: what memory has to be there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BatchBudget {
    /// Nodes.
    pub nodes: usize,
    /// Edges.
    pub edges: usize,
}

/// What an item adds to a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ItemSize {
    /// Nodes.
    pub nodes: usize,
    /// Edges.
    pub edges: usize,
}

/// An item that no batch has room for.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "item {item} has {} nodes and {} edges, more than a batch may hold: {} nodes and {} edges",
    size.nodes, size.edges, budget.nodes, budget.edges
)]
pub struct OverBudget {
    /// Its index.
    pub item: usize,
    /// Its size.
    pub size: ItemSize,
    /// The budget.
    pub budget: BatchBudget,
}

impl BatchBudget {
    /// The first item that no batch has room for.
    #[must_use]
    pub fn exceeded_by(&self, sizes: &[ItemSize]) -> Option<OverBudget> {
        let item = sizes
            .iter()
            .position(|size| size.nodes > self.nodes || size.edges > self.edges)?;
        Some(OverBudget {
            item,
            size: sizes[item],
            budget: *self,
        })
    }

    /// The budget, raised where an item alone would exceed it.
    #[must_use]
    pub fn raised_to(self, sizes: &[ItemSize]) -> Self {
        sizes.iter().fold(self, |budget, size| Self {
            nodes: budget.nodes.max(size.nodes),
            edges: budget.edges.max(size.edges),
        })
    }

    /// Cuts a list of items into batches within the budget: each takes the items in their order until the
    /// next has no room. Every item is in one batch, and none is empty. For training, shuffle the order
    /// first ([`crate::shuffled`]).
    ///
    /// # Errors
    /// [`OverBudget`] if an item alone exceeds the budget.
    ///
    /// # Panics
    /// If an item of the order has no size.
    pub fn batches(
        &self,
        order: &[usize],
        sizes: &[ItemSize],
    ) -> Result<Vec<Vec<usize>>, OverBudget> {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let (mut nodes, mut edges) = (self.nodes, self.edges);
        for &item in order {
            let size = sizes[item];
            if size.nodes > self.nodes || size.edges > self.edges {
                return Err(OverBudget {
                    item,
                    size,
                    budget: *self,
                });
            }
            match batches.last_mut() {
                Some(batch) if size.nodes <= nodes && size.edges <= edges => batch.push(item),
                _ => {
                    batches.push(vec![item]);
                    (nodes, edges) = (self.nodes, self.edges);
                }
            }
            nodes -= size.nodes;
            edges -= size.edges;
        }
        Ok(batches)
    }
}

/// What workers made ahead, in the order of the tasks whatever the number of workers.
///
/// At most two results for each worker wait at a time, so memory is bounded. Dropping it ends the workers
/// after the task they are at; a panic of a worker is passed on where its result would be taken.
pub struct Prefetched<T> {
    /// Worker `w` has tasks `w`, `w + workers`, and so on.
    results: Vec<Receiver<T>>,
    workers: Vec<Option<JoinHandle<()>>>,
    next: usize,
    tasks: usize,
}

impl<T: Send + 'static> Prefetched<T> {
    /// Does tasks on threads of their own: `make(task)` for `task` in `0..tasks`. No more threads are started than
    /// there are tasks.
    ///
    /// # Panics
    /// If there are no workers, or if the system gives no thread.
    pub fn new<F>(tasks: usize, workers: usize, make: F) -> Self
    where
        F: Fn(usize) -> T + Clone + Send + 'static,
    {
        assert!(workers > 0, "Prefetched::new: no workers");
        let workers = workers.min(tasks.max(1));
        let start = |worker: usize| {
            let (sender, receiver) = sync_channel(1);
            let make = make.clone();
            let thread = std::thread::spawn(move || {
                for task in (worker..tasks).step_by(workers) {
                    // Nobody waits for the rest once the receiver is gone.
                    if sender.send(make(task)).is_err() {
                        return;
                    }
                }
            });
            (receiver, Some(thread))
        };
        let (results, threads) = (0..workers).map(start).unzip();
        Self {
            results,
            workers: threads,
            next: 0,
            tasks,
        }
    }
}

impl<T> Iterator for Prefetched<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next >= self.tasks {
            return None;
        }
        let worker = self.next % self.results.len();
        if let Ok(result) = self.results[worker].recv() {
            self.next += 1;
            return Some(result);
        }
        // A worker that ends before its last task has panicked.
        self.next = self.tasks;
        let thread = self.workers[worker].take();
        if let Some(Err(panic)) = thread.map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.tasks - self.next;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Prefetched<T> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn sizes(sizes: &[(usize, usize)]) -> Vec<ItemSize> {
        let size = |&(nodes, edges)| ItemSize { nodes, edges };
        sizes.iter().map(size).collect()
    }

    const BUDGET: BatchBudget = BatchBudget {
        nodes: 10,
        edges: 20,
    };

    #[test]
    fn batches_keep_both_budgets_and_hold_every_item_in_order() {
        let sizes = sizes(&[(5, 1), (5, 1), (1, 15), (1, 6), (10, 20), (0, 0), (1, 0)]);
        let order = [6, 0, 1, 2, 3, 4, 5];
        let batches = BUDGET.batches(&order, &sizes).unwrap();
        assert_eq!(batches, [vec![6, 0], vec![1, 2], vec![3], vec![4, 5]]);
        assert!(BUDGET.batches(&[], &sizes).unwrap().is_empty());
    }

    #[test]
    fn an_item_over_the_budget_is_refused() {
        let sizes = sizes(&[(1, 1), (1, 21)]);
        let error = BUDGET.batches(&[0, 1], &sizes).unwrap_err();
        assert_eq!((error.item, error.size), (1, sizes[1]));
        assert_eq!(BUDGET.exceeded_by(&sizes), Some(error));
        let raised = BUDGET.raised_to(&sizes);
        assert_eq!((raised.nodes, raised.edges), (10, 21));
        assert_eq!(raised.exceeded_by(&sizes), None);
    }

    #[test]
    fn results_come_in_the_order_of_the_tasks_whatever_the_number_of_workers() {
        for workers in 1..5 {
            let made: Vec<_> = Prefetched::new(23, workers, |task| task * task).collect();
            assert_eq!(made, (0..23).map(|task| task * task).collect::<Vec<_>>());
        }
        assert_eq!(Prefetched::new(0, 2, |task| task).count(), 0);
        // As many threads as there are tasks: no system has so many.
        let few = Prefetched::new(3, usize::MAX, |task| task);
        assert_eq!(few.workers.len(), 3);
        assert_eq!(few.collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn workers_stay_at_most_two_tasks_ahead_and_end_when_nobody_waits() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let mut results = Prefetched::new(1000, 2, move |task| {
            counter.fetch_add(1, Ordering::SeqCst);
            task
        });
        for _ in 0..10 {
            results.next();
        }
        // One waits in the channel and one is held ready, for each of the two.
        assert!(made.load(Ordering::SeqCst) <= 10 + 4);
        let threads: Vec<_> = results.workers.iter_mut().map(Option::take).collect();
        drop(results);
        for thread in threads.into_iter().flatten() {
            thread.join().unwrap();
        }
        assert!(made.load(Ordering::SeqCst) <= 10 + 6);
    }

    #[test]
    fn a_panic_of_a_worker_is_passed_on() {
        let outcome = std::panic::catch_unwind(|| {
            let results = Prefetched::new(5, 2, |task| {
                assert!(task != 3, "task three");
                task
            });
            results.count()
        });
        assert!(outcome.is_err());
    }
}
