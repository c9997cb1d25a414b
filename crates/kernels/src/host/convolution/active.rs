//! Which hidden features of some edges are not zero: behind a ReLU about half of them.

use std::ops::Range;

use super::Convolution;
use crate::host::real::Real;

/// One of the numbers that are not zero.
#[derive(Clone, Copy)]
pub(super) struct Active<T> {
    /// Its hidden feature, or its edge counted from the first.
    pub(super) index: u32,
    pub(super) value: T,
}

/// The hidden features of some edges, by edge and by feature. A bias is one more feature, always 1.
pub(super) struct ActiveHidden<T> {
    by_edge: Lists<T>,
    /// For the gradient to the weights.
    by_feature: Option<Lists<T>>,
    /// The radial network and the edges that are held.
    held: Option<(usize, Range<usize>)>,
}

/// How many numbers a list is read at a time.
pub(super) const FOUR: usize = 4;

/// Lists with room for `most` numbers each, some fours.
struct Lists<T> {
    all: Vec<Active<T>>,
    most: usize,
    counts: Vec<usize>,
}

impl<T: Real> Lists<T> {
    fn new() -> Self {
        Self {
            all: Vec::new(),
            most: 0,
            counts: Vec::new(),
        }
    }

    fn clear(&mut self, lists: usize, most: usize) {
        let none = Active {
            index: 0,
            value: T::ZERO,
        };
        self.most = most.next_multiple_of(FOUR);
        self.all.resize(lists * self.most, none);
        self.counts.clear();
        self.counts.resize(lists, 0);
    }

    /// Without a branch: what is zero is written too, and overwritten by what follows.
    #[inline(always)]
    fn push_if_active(&mut self, list: usize, index: usize, value: T) {
        let count = &mut self.counts[list];
        self.all[list * self.most + *count] = Active {
            index: index as u32,
            value,
        };
        *count += usize::from(value != T::ZERO);
    }

    fn iter(&self) -> impl Iterator<Item = &[Active<T>]> {
        let lists = self.all.chunks_exact(self.most.max(1));
        lists.zip(&self.counts).map(|(list, &count)| &list[..count])
    }

    /// With what stands behind a list, that the last four be whole.
    fn fours(&self) -> impl Iterator<Item = &[[Active<T>; FOUR]]> {
        let lists = self.all.chunks_exact(self.most.max(1));
        lists.zip(&self.counts).map(|(list, &count)| {
            let (fours, _) = list.as_chunks();
            &fours[..count.div_ceil(FOUR)]
        })
    }
}

impl<T: Real> ActiveHidden<T> {
    pub(super) fn new(backward: bool) -> Self {
        Self {
            by_edge: Lists::new(),
            by_feature: backward.then(Lists::new),
            held: None,
        }
    }

    /// Reads the hidden features of some edges.
    pub(super) fn hold(
        &mut self,
        convolution: &Convolution<'_, T>,
        radial: usize,
        edges: &Range<usize>,
    ) {
        let wanted = Some((radial, edges.clone()));
        if self.held == wanted {
            return;
        }
        self.held = wanted;
        let rows = convolution.hidden_of(radial, edges);
        let bias = convolution.bias().map(|_| T::ONE);
        let features = convolution.hidden_with_bias();
        self.by_edge.clear(rows.rows, features);
        let numbers = |edge: usize| {
            let row = &rows.data[edge * rows.row_stride..][..rows.cols];
            row.iter().copied().chain(bias).enumerate()
        };
        for edge in 0..rows.rows {
            for (feature, value) in numbers(edge) {
                self.by_edge.push_if_active(edge, feature, value);
            }
        }
        if let Some(by_feature) = &mut self.by_feature {
            by_feature.clear(features, rows.rows);
            for edge in 0..rows.rows {
                for (feature, value) in numbers(edge) {
                    by_feature.push_if_active(feature, edge, value);
                }
            }
        }
    }

    /// For each edge its hidden features.
    pub(super) fn of_edges(&self) -> impl Iterator<Item = &[Active<T>]> {
        self.by_edge.iter()
    }

    /// The same by fours, the last of which may have some more, of whatever value, that mean nothing.
    pub(super) fn fours_of_edges(&self) -> impl Iterator<Item = &[[Active<T>; FOUR]]> {
        self.by_edge.fours()
    }

    /// For each hidden feature its edges.
    pub(super) fn of_features(&self) -> impl Iterator<Item = &[Active<T>]> {
        self.by_feature.iter().flat_map(Lists::iter)
    }
}
