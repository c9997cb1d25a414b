//! A balanced k-d tree with tight boxes, whose answers are exact and have no arbitrary choice.
//!
//! Two properties set it apart from the published trees and are why it exists (kiddo 6.3 is exact
//! on distances, but takes ties in the order of its leaves, and its time is quadratic in the number
//! of coincident points):
//!
//! - Neighbours are ordered by `(squared distance, index)`. Every node knows the smallest index
//!   below it, so a subtree that can only tie and lose is skipped. A million coincident points
//!   cost no more than a million random ones, and a lattice has one answer, not many.
//! - Pruning is exact in floating point. A box distance is computed by the same operations in the
//!   same order as a point distance, and rounding is monotone, so a box is never found farther
//!   than a point inside it: the tree returns what the O(n^2) loop returns, to the last bit.

use rayon::prelude::*;

/// Points per leaf, at most.
const LEAF_SIZE: usize = 8;
/// Below this size a recursion is not worth a second thread.
const PARALLEL_SIZE: usize = 4096;

/// A point and its number in the caller's order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) position: [f64; 3],
    pub(crate) index: u32,
}

/// `|a - b|^2`, the one squared distance of this crate: `(dx dx + dy dy) + dz dz`.
pub(crate) fn distance2(a: [f64; 3], b: [f64; 3]) -> f64 {
    norm2([a[0] - b[0], a[1] - b[1], a[2] - b[2]])
}

/// `|v|^2`, summed in the order x, y, z.
pub(crate) fn norm2(v: [f64; 3]) -> f64 {
    v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
}

/// Orders candidates by squared distance, then index: the bits of a non-negative float sort like
/// its value.
pub(crate) fn key(distance2: f64, index: u32) -> u128 {
    (u128::from(distance2.to_bits()) << 32) | u128::from(index)
}

/// The index a [`key`] was made with.
pub(crate) fn key_index(key: u128) -> u32 {
    (key & u128::from(u32::MAX)) as u32
}

/// The smallest box around the points of a subtree, and their smallest index.
#[derive(Clone, Copy, Debug)]
struct Node {
    low: [f64; 3],
    high: [f64; 3],
    min_index: u32,
}

impl Node {
    const EMPTY: Self = Self {
        low: [f64::INFINITY; 3],
        high: [f64::NEG_INFINITY; 3],
        min_index: u32::MAX,
    };

    fn around(items: &[Item]) -> Self {
        items.iter().fold(Self::EMPTY, |node, item| {
            node.merge(&Self {
                low: item.position,
                high: item.position,
                min_index: item.index,
            })
        })
    }

    fn merge(&self, other: &Self) -> Self {
        Self {
            low: std::array::from_fn(|axis| self.low[axis].min(other.low[axis])),
            high: std::array::from_fn(|axis| self.high[axis].max(other.high[axis])),
            min_index: self.min_index.min(other.min_index),
        }
    }

    fn longest_axis(&self) -> usize {
        let extent: [f64; 3] = std::array::from_fn(|axis| self.high[axis] - self.low[axis]);
        (1..3).fold(0, |best, axis| {
            if extent[axis] > extent[best] {
                axis
            } else {
                best
            }
        })
    }

    /// No point of the box is nearer than this.
    fn nearest2(&self, point: [f64; 3]) -> f64 {
        norm2(std::array::from_fn(|axis| {
            (self.low[axis] - point[axis])
                .max(point[axis] - self.high[axis])
                .max(0.0)
        }))
    }

    /// No point of the box is farther than this.
    fn farthest2(&self, point: [f64; 3]) -> f64 {
        norm2(std::array::from_fn(|axis| {
            (point[axis] - self.low[axis]).max(self.high[axis] - point[axis])
        }))
    }

    /// No two points of the boxes are farther apart than this.
    fn farthest2_between(&self, other: &Self) -> f64 {
        norm2(std::array::from_fn(|axis| {
            (self.high[axis] - other.low[axis]).max(other.high[axis] - self.low[axis])
        }))
    }

    /// No two points of the boxes are nearer to each other than this.
    fn nearest2_between(&self, other: &Self) -> f64 {
        norm2(std::array::from_fn(|axis| {
            (self.low[axis] - other.high[axis])
                .max(other.low[axis] - self.high[axis])
                .max(0.0)
        }))
    }
}

/// A complete binary tree: the node of level `L` and place `s` holds the items
/// `(n s) >> L .. (n (s + 1)) >> L`, so neither child links nor ranges are stored.
#[derive(Debug)]
pub(crate) struct KdTree {
    items: Vec<Item>,
    /// Root at 1, children of `i` at `2 i` and `2 i + 1`; entry 0 is unused.
    nodes: Vec<Node>,
    depth: u32,
}

impl KdTree {
    /// Builds the tree; positions must be finite and at most `u32::MAX` in number.
    pub(crate) fn new(positions: &[[f64; 3]]) -> Self {
        let mut items: Vec<Item> = (0u32..)
            .zip(positions)
            .map(|(index, &position)| Item { position, index })
            .collect();
        let depth = items
            .len()
            .div_ceil(LEAF_SIZE)
            .next_power_of_two()
            .trailing_zeros();
        let ranges = Ranges {
            len: items.len(),
            depth,
        };
        arrange(&mut items, ranges, 1);

        let leaves = 1usize << depth;
        let mut nodes = vec![Node::EMPTY; 2 * leaves];
        nodes[leaves..]
            .par_iter_mut()
            .with_min_len(1024)
            .enumerate()
            .for_each(|(place, node)| {
                *node = Node::around(&items[ranges.of(leaves + place)]);
            });
        for id in (1..leaves).rev() {
            nodes[id] = nodes[2 * id].merge(&nodes[2 * id + 1]);
        }
        Self {
            items,
            nodes,
            depth,
        }
    }

    /// The points, neighbours in space near each other.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Calls `offer` with the [`key`] of every point that may matter, roughly nearest first.
    /// `offer` returns the bound: keys above it are of no use from then on.
    pub(crate) fn nearest(
        &self,
        point: [f64; 3],
        mut bound: u128,
        mut offer: impl FnMut(u128) -> u128,
    ) {
        self.nearest_below(1, point, &mut bound, &mut offer);
    }

    fn nearest_below(
        &self,
        id: usize,
        point: [f64; 3],
        bound: &mut u128,
        offer: &mut impl FnMut(u128) -> u128,
    ) {
        if self.is_leaf(id) {
            for item in self.items_below(id) {
                let key = key(distance2(point, item.position), item.index);
                if key <= *bound {
                    *bound = offer(key);
                }
            }
            return;
        }
        let children = [2 * id, 2 * id + 1].map(|child| {
            let node = &self.nodes[child];
            (key(node.nearest2(point), node.min_index), child)
        });
        let [near, far] = if children[1].0 < children[0].0 {
            [children[1], children[0]]
        } else {
            children
        };
        for (lowest_key, child) in [near, far] {
            if lowest_key <= *bound {
                self.nearest_below(child, point, bound, offer);
            }
        }
    }

    /// Calls `found` with every item within `radius2` of `point`, boundary included.
    pub(crate) fn within(&self, point: [f64; 3], radius2: f64, mut found: impl FnMut(&Item)) {
        self.within_below(1, point, radius2, &mut found);
    }

    fn within_below(
        &self,
        id: usize,
        point: [f64; 3],
        radius2: f64,
        found: &mut impl FnMut(&Item),
    ) {
        let node = &self.nodes[id];
        if node.nearest2(point) > radius2 {
            return;
        }
        if node.farthest2(point) <= radius2 {
            self.items_below(id).iter().for_each(found);
        } else if self.is_leaf(id) {
            self.items_below(id)
                .iter()
                .filter(|item| distance2(point, item.position) <= radius2)
                .for_each(found);
        } else {
            self.within_below(2 * id, point, radius2, found);
            self.within_below(2 * id + 1, point, radius2, found);
        }
    }

    /// A lower bound of the number of ordered pairs of different points within `radius2`, found
    /// without looking at single points: it tells early that a graph cannot be stored.
    pub(crate) fn pairs_within_at_least(&self, radius2: f64) -> u64 {
        let leaves = 1usize << self.depth;
        let pairs: u64 = (leaves..2 * leaves)
            .into_par_iter()
            .with_min_len(256)
            .map(|leaf| {
                let around = self.count_surely_within(1, &self.nodes[leaf], radius2);
                around * self.items_below(leaf).len() as u64
            })
            .sum();
        pairs.saturating_sub(self.items.len() as u64)
    }

    fn count_surely_within(&self, id: usize, leaf: &Node, radius2: f64) -> u64 {
        let node = &self.nodes[id];
        if node.farthest2_between(leaf) <= radius2 {
            self.items_below(id).len() as u64
        } else if self.is_leaf(id) || node.nearest2_between(leaf) > radius2 {
            0
        } else {
            self.count_surely_within(2 * id, leaf, radius2)
                + self.count_surely_within(2 * id + 1, leaf, radius2)
        }
    }

    fn is_leaf(&self, id: usize) -> bool {
        id >> self.depth != 0
    }

    fn items_below(&self, id: usize) -> &[Item] {
        &self.items[Ranges {
            len: self.items.len(),
            depth: self.depth,
        }
        .of(id)]
    }
}

/// Where the items of a node lie.
#[derive(Clone, Copy)]
struct Ranges {
    len: usize,
    depth: u32,
}

impl Ranges {
    /// The range of a node; those of its children are its two parts, as floors nest.
    fn of(self, id: usize) -> std::ops::Range<usize> {
        let level = id.ilog2();
        let place = (id as u64) - (1 << level);
        let at = |place: u64| ((self.len as u64 * place) >> level) as usize;
        at(place)..at(place + 1)
    }
}

/// Sorts the items below a node into its subtrees: by the coordinate along the longest side of
/// their box, then by index, so that coincident points too have exactly one arrangement.
fn arrange(items: &mut [Item], ranges: Ranges, id: usize) {
    if id >> ranges.depth != 0 {
        return;
    }
    let axis = Node::around(items).longest_axis();
    let middle = ranges.of(2 * id).len();
    items.select_nth_unstable_by(middle, |a, b| {
        a.position[axis]
            .total_cmp(&b.position[axis])
            .then(a.index.cmp(&b.index))
    });
    let (left, right) = items.split_at_mut(middle);
    if left.len() > PARALLEL_SIZE {
        rayon::join(
            || arrange(left, ranges, 2 * id),
            || arrange(right, ranges, 2 * id + 1),
        );
    } else {
        arrange(left, ranges, 2 * id);
        arrange(right, ranges, 2 * id + 1);
    }
}

#[cfg(test)]
mod tests;
