//! The edges that have no frame, beside those that have one.
//!
//! In the frames such an edge is given the scale zero, so it brings nothing there. What the pairs in the
//! frames owe it is a convolution of its own, by the paths, of these few edges onto the same rows.

use super::program::{Group, Order, Program, groups};
use super::tiles::tiles;
use super::{Convolution, ConvolutionGradients, EDGES, row};
use crate::host::real::{Real, axpy};

/// The edges without a frame, and what is read of them.
pub(super) struct Unframed<'a, T> {
    /// Their numbers among all edges, ascending.
    edges: Vec<usize>,
    harmonics: Vec<T>,
    hidden: Vec<T>,
    src: Vec<i32>,
    row_offsets: Vec<i32>,
    pub(super) program: Program<'a, T>,
}

impl<'a, T: Real> Unframed<'a, T> {
    /// `None` where every edge has a frame. `in_use` are the groups of the whole convolution; those in
    /// the frames go by edge weights here.
    pub(super) fn new(
        whole: &Convolution<'a, T>,
        in_use: &[Group<'_, T>],
        edges: &[usize],
    ) -> Option<Self> {
        if edges.is_empty() {
            return None;
        }
        let rows_of = |all: &[T], width: usize| -> Vec<T> {
            let rows = edges.iter().flat_map(|&edge| row(all, edge, width));
            rows.copied().collect()
        };
        let before = |end: &i32| edges.partition_point(|&edge| edge < *end as usize) as i32;
        let row_offsets: Vec<i32> = whole.row_offsets.iter().map(before).collect();
        let groups = groups(whole.plan).into_iter().zip(in_use);
        let groups = groups.filter(|(_, used)| used.order == Order::EdgeFrames);
        Some(Self {
            harmonics: rows_of(whole.harmonics, whole.harmonics_width),
            hidden: rows_of(whole.hidden, whole.hidden_stride()),
            src: edges.iter().map(|&edge| whole.src[edge]).collect(),
            program: Program {
                groups: groups.map(|(group, _)| group).collect(),
                framing: None,
                unframed: None,
                tiles: tiles(&row_offsets, EDGES, usize::MAX),
            },
            row_offsets,
            edges: edges.to_vec(),
        })
    }

    /// The convolution of these edges onto all rows.
    pub(super) fn convolution<'s>(&'s self, whole: &Convolution<'s, T>) -> Convolution<'s, T> {
        Convolution {
            harmonics: &self.harmonics,
            hidden: &self.hidden,
            src: &self.src,
            row_offsets: &self.row_offsets,
            ..*whole
        }
    }

    /// Adds the gradients of these edges to those of all. That to the features has all in it already.
    pub(super) fn add_gradients(
        &self,
        found: ConvolutionGradients<T>,
        all: &mut ConvolutionGradients<T>,
    ) {
        all.features = found.features;
        axpy(&mut all.weight, T::ONE, &found.weight);
        let width = found.hidden.len() / self.edges.len();
        if width > 0 {
            for (&edge, from) in self.edges.iter().zip(found.hidden.chunks_exact(width)) {
                axpy(&mut all.hidden[edge * width..][..width], T::ONE, from);
            }
        }
    }
}
