//! The last radial layer as it acts in the frames of the edges.
//!
//! Of the harmonics of an edge along the polar axis only those with m = 0 are not zero, so the kernel of a pair
//! joins m only with m and -m, by `min(l_in, l_out) + 1` numbers and `min(l_in, l_out)` numbers. Each is a
//! constant combination of the paths' radial weights, and the constants are folded into the layer once:
//! what is formed for an edge are the numbers of the frame themselves.

use std::ops::Range;

use steerable_harmonics::plan::Pair;

use super::last_layer::{Layer, WeightGradient};
use super::program::Group;
use crate::host::matmul::{Matrix, set_product};
use crate::host::real::Real;
use crate::host::tasks::run_all;

/// How a pair's kernel joins the components of one m in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// m to m and -m to -m, alike.
    Straight(usize),
    /// -m to m, and m to -m with the other sign.
    Crossed(usize),
}

/// What a group's paths are in the frame of an edge.
pub(crate) struct FrameParts {
    pub(crate) joints: Vec<Joint>,
    /// `[path, joint]`: the kernel's entry for `|Y_l| = 1`.
    entries: Vec<f64>,
    /// First column of the first member in the folded layer.
    pub(crate) first_column: usize,
}

impl FrameParts {
    pub(crate) fn new(pair: &Pair) -> Self {
        let (l_in, l_out) = (pair.input.l, pair.output.l);
        let joint_of = |m_in: usize, m_out: usize| {
            let m = m_out.checked_sub(l_out)?;
            Some(match m_in == l_in + m {
                true => Joint::Straight(m),
                false => Joint::Crossed(m),
            })
        };
        let mut found = Vec::new();
        for (index, path) in pair.paths.iter().enumerate() {
            let polar = path.l_filter * path.l_filter + path.l_filter;
            for term in path.terms.iter().filter(|term| term.harmonic == polar) {
                if let Some(joint) = joint_of(term.m_in, term.m_out) {
                    found.push((index, joint, term.value));
                }
            }
        }
        let mut joints: Vec<Joint> = Vec::new();
        for (_, joint, _) in &found {
            if !joints.contains(joint) {
                joints.push(*joint);
            }
        }
        let mut entries = vec![0.0; pair.paths.len() * joints.len()];
        for (path, joint, value) in found {
            let at = joints.iter().position(|other| *other == joint);
            entries[path * joints.len() + at.expect("listed above")] = value;
        }
        Self {
            joints,
            entries,
            first_column: 0,
        }
    }

    /// `[path, joint]`, for harmonics whose degree l is `length(l)` times as long as degree 0.
    fn entries<T: Real>(&self, pair: &Pair, length: impl Fn(usize) -> f64) -> Vec<T> {
        let rows = self.entries.chunks_exact(self.joints.len().max(1));
        let rows = rows.zip(&pair.paths);
        rows.flat_map(|(row, path)| {
            let length = length(path.l_filter);
            row.iter().map(move |entry| T::of(entry * length))
        })
        .collect()
    }
}

/// The last layer with the entries of the kernels folded in, `[hidden (and bias), columns]`.
pub(super) struct FoldedLayer<T> {
    numbers: Vec<T>,
    hidden: usize,
    columns: usize,
    folds: Vec<Fold<T>>,
}

/// One pair's paths and joints.
struct Fold<T> {
    /// `[path, joint]`
    entries: Vec<T>,
    paths: usize,
    joints: usize,
    /// `c_in c_out`
    channels: usize,
    /// First column in the layer, and in the folded one.
    column: usize,
    folded: usize,
}

impl<T: Real> Fold<T> {
    fn entries(&self) -> Matrix<'_, T> {
        Matrix::new(&self.entries, self.paths, self.joints, self.joints)
    }

    fn folded_columns(&self) -> Range<usize> {
        self.folded..self.folded + self.joints * self.channels
    }
}

impl<T: Real> FoldedLayer<T> {
    /// Folds the layer for some groups and gives them their columns.
    pub(super) fn new<'g, 'a: 'g>(
        layer: Layer<'_, T>,
        groups: impl Iterator<Item = &'g mut Group<'a, T>>,
        length: impl Fn(usize) -> f64,
    ) -> Self
    where
        T: 'a,
    {
        let (mut folds, mut columns) = (Vec::new(), 0);
        for group in groups {
            group.frame.first_column = columns;
            for pair in &group.members {
                let fold = Fold {
                    entries: group.frame.entries(pair, &length),
                    paths: pair.paths.len(),
                    joints: group.frame.joints.len(),
                    channels: pair.input.mul * pair.output.mul,
                    column: pair.weights.start,
                    folded: columns,
                };
                columns = fold.folded_columns().end;
                folds.push(fold);
            }
        }
        let rows = layer.hidden + usize::from(layer.bias().is_some());
        let mut numbers = vec![T::ZERO; rows * columns];
        let rows = numbers
            .chunks_exact_mut(columns.max(1))
            .zip(layer.numbers.chunks_exact(layer.columns.max(1)));
        run_all(rows.collect(), |(to, from)| {
            for fold in &folds {
                let from = &from[fold.column..];
                let from = Matrix::new(from, fold.paths, fold.channels, fold.channels);
                let to = &mut to[fold.folded_columns()];
                set_product(to, fold.channels, fold.entries().transposed(), from);
            }
        });
        Self {
            numbers,
            hidden: layer.hidden,
            columns,
            folds,
        }
    }

    pub(super) fn layer(&self) -> Layer<'_, T> {
        Layer {
            numbers: &self.numbers,
            hidden: self.hidden,
            columns: self.columns,
        }
    }

    /// Writes the gradient to the layer's own columns, from that to the folded ones.
    pub(super) fn unfold(&self, folded: &WeightGradient<T>, to: &mut WeightGradient<T>) {
        for fold in &self.folds {
            let unfold = |from: &[T], to: &mut [T], per_column: usize| {
                let width = fold.channels * per_column;
                let from = &from[fold.folded * per_column..];
                let from = Matrix::new(from, fold.joints, width, width);
                let to = &mut to[fold.column * per_column..];
                set_product(to, width, fold.entries(), from);
            };
            unfold(&folded.packed, &mut to.packed, self.hidden);
            if !to.bias.is_empty() {
                unfold(&folded.bias, &mut to.bias, 1);
            }
        }
    }
}
