//! Edges taken slab by slab: a slab is consecutive nodes with all their incoming edges, so few of them
//! that what they hold fits a budget.

use std::ops::Range;

use thiserror::Error;

/// What layers on the edges may hold of all edges at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryBudget {
    /// Everything: hidden radial features, and in attention values and keys, are formed once and stored
    /// for the backward pass.
    #[default]
    Unlimited,
    /// At most so many bytes: they are formed slab by slab and forgotten, and the backward pass forms
    /// them again.
    Bytes(u64),
}

/// A budget into which not even the edges of one node fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a memory budget of {budget} bytes is too small: node {node} has {edges} incoming edges of \
     {per_edge} bytes each, so at least {needed} bytes are needed"
)]
pub struct BudgetTooSmall {
    /// The budget, in bytes.
    pub budget: u64,
    /// The node with the most incoming edges.
    pub node: usize,
    /// How many they are.
    pub edges: usize,
    /// What each of them holds, in bytes.
    pub per_edge: u64,
    /// The smallest budget that is enough, in bytes.
    pub needed: u64,
}

/// Where edges begin and end, on the host: sorted by destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeList {
    src: Vec<u32>,
    row_offsets: Vec<u32>,
}

/// Consecutive nodes and the edges into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slab {
    pub(crate) nodes: Range<usize>,
    pub(crate) edges: Range<usize>,
}

impl EdgeList {
    /// The source of every edge, and for each node the range `row_offsets[i]..row_offsets[i + 1]` of the
    /// edges into it.
    ///
    /// # Panics
    /// When the offsets do not cut the edges into one run for each node, or a source is not a node.
    pub fn new(src: &[u32], row_offsets: &[u32]) -> Self {
        assert!(
            row_offsets.first() == Some(&0)
                && row_offsets.is_sorted()
                && row_offsets.last().map(|&end| end as usize) == Some(src.len()),
            "EdgeList: offsets must rise from 0 to the number of edges, {}",
            src.len()
        );
        let nodes = row_offsets.len() - 1;
        assert!(
            src.iter().all(|&node| (node as usize) < nodes),
            "EdgeList: a source is not among the {nodes} nodes"
        );
        Self {
            src: src.to_vec(),
            row_offsets: row_offsets.to_vec(),
        }
    }

    /// Number of nodes.
    pub fn num_nodes(&self) -> usize {
        self.row_offsets.len() - 1
    }

    /// Number of edges.
    pub fn num_edges(&self) -> usize {
        self.src.len()
    }

    /// The number of edges into each node.
    pub fn in_degrees(&self) -> impl Iterator<Item = u32> + '_ {
        self.row_offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The sources of a slab's edges.
    pub(crate) fn sources(&self, slab: &Slab) -> &[u32] {
        &self.src[slab.edges.clone()]
    }

    /// Where in the slab the edges into each of its nodes begin, and where the last ones end.
    pub(crate) fn offsets_within(&self, slab: &Slab) -> impl Iterator<Item = u32> + '_ {
        let first = slab.edges.start as u32;
        let offsets = &self.row_offsets[slab.nodes.start..=slab.nodes.end];
        offsets.iter().map(move |&offset| offset - first)
    }

    /// The fewest slabs in the order of the nodes whose edges, of `per_edge` bytes each, fit `budget`
    /// bytes.
    pub(crate) fn slabs(&self, budget: u64, per_edge: u64) -> Result<Vec<Slab>, BudgetTooSmall> {
        let most = budget / per_edge.max(1);
        let degrees = self.in_degrees().enumerate();
        if let Some((node, edges)) = degrees.max_by_key(|&(node, edges)| (edges, usize::MAX - node))
            && u64::from(edges) > most
        {
            return Err(BudgetTooSmall {
                budget,
                node,
                edges: edges as usize,
                per_edge,
                needed: u64::from(edges) * per_edge,
            });
        }
        let mut slabs = Vec::new();
        let mut start = 0;
        while start < self.num_nodes() {
            let first = self.row_offsets[start];
            let ends = &self.row_offsets[start + 1..];
            let nodes = ends.partition_point(|&end| u64::from(end - first) <= most);
            let end = start + nodes;
            slabs.push(Slab {
                nodes: start..end,
                edges: first as usize..self.row_offsets[end] as usize,
            });
            start = end;
        }
        Ok(slabs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> EdgeList {
        EdgeList::new(&[1, 2, 3, 0, 0, 1], &[0, 3, 3, 4, 6])
    }

    /// Where the slabs end.
    fn ends(budget: u64) -> Vec<usize> {
        let slabs = list().slabs(budget, 10).expect("a budget that is enough");
        assert!(slabs[0].nodes.start == 0 && slabs[0].edges.start == 0);
        for pair in slabs.windows(2) {
            assert_eq!(pair[0].nodes.end, pair[1].nodes.start);
            assert_eq!(pair[0].edges.end, pair[1].edges.start);
        }
        slabs.into_iter().map(|slab| slab.nodes.end).collect()
    }

    #[test]
    fn slabs_are_as_few_as_the_budget_allows_and_cover_all_nodes_in_order() {
        assert_eq!(ends(30), [2, 4]);
        assert_eq!(ends(39), [2, 4]);
        assert_eq!(ends(40), [3, 4]);
        assert_eq!(ends(60), [4]);
        assert_eq!(ends(u64::MAX), [4]);
        for slab in list().slabs(30, 10).expect("enough") {
            let last = list().offsets_within(&slab).last();
            assert_eq!(last, Some(slab.edges.len() as u32));
            assert_eq!(list().sources(&slab).len(), slab.edges.len());
        }
    }

    #[test]
    fn a_budget_below_the_edges_of_one_node_says_what_is_needed() {
        let error = list().slabs(29, 10).expect_err("three edges need 30 bytes");
        let expected = BudgetTooSmall {
            budget: 29,
            node: 0,
            edges: 3,
            per_edge: 10,
            needed: 30,
        };
        assert_eq!(error, expected);
        assert!(list().slabs(error.needed, 10).is_ok());
        assert!(error.to_string().contains("at least 30 bytes"));
    }

    #[test]
    fn graphs_without_edges_or_nodes_need_no_bytes() {
        let isolated = EdgeList::new(&[], &[0, 0, 0]);
        assert_eq!(isolated.slabs(0, 10).map(|slabs| slabs.len()), Ok(1));
        let empty = EdgeList::new(&[], &[0]);
        assert_eq!(empty.slabs(0, 10), Ok(Vec::new()));
    }
}
