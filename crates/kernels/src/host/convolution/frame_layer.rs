//! The last radial layer as it acts in the frames of the edges.
//!
//! Of the harmonics of an edge along the polar axis only those with m = 0 are not zero, so the kernel of a pair
//! joins m only with m and -m, by `min(l_in, l_out) + 1` numbers and `min(l_in, l_out)` numbers. Each is a
//! constant combination of the paths' radial weights, and the constants are folded into the layer once:
//! what is formed for an edge are the numbers of the frame themselves.

use std::ops::Range;

use steerable_harmonics::plan::Pair;

use super::lanes::LANES;
use super::last_layer::{Layer, WeightGradient};
use super::program::Group;
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, dispatch};
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
    /// Path, joint and the kernel's entry for `|Y_l| = 1`.
    entries: Vec<(usize, usize, f64)>,
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
        let (mut joints, mut entries) = (Vec::new(), Vec::new());
        for (index, path) in pair.paths.iter().enumerate() {
            let polar = path.l_filter * path.l_filter + path.l_filter;
            for term in path.terms.iter().filter(|term| term.harmonic == polar) {
                let Some(joint) = joint_of(term.m_in, term.m_out) else {
                    continue;
                };
                let known = joints.iter().position(|other| *other == joint);
                let at = known.unwrap_or_else(|| {
                    joints.push(joint);
                    joints.len() - 1
                });
                entries.push((index, at, term.value));
            }
        }
        Self {
            joints,
            entries,
            first_column: 0,
        }
    }

    /// The nonzero entries, `(path, joint, value)`, for harmonics whose degree l is `length(l)` times as
    /// long as degree 0.
    fn entries<T: Real>(
        &self,
        pair: &Pair,
        length: impl Fn(usize) -> f64,
    ) -> Vec<(usize, usize, T)> {
        let entries = self.entries.iter();
        let of = |&(path, joint, value): &(usize, usize, f64)| {
            let value = value * length(pair.paths[path].l_filter);
            (path, joint, T::of(value))
        };
        entries.map(of).collect()
    }
}

/// The last layer with the entries of the kernels folded in, `[hidden (and bias), columns]`.
pub(super) struct FoldedLayer<T> {
    numbers: Vec<T>,
    /// `[columns, hidden]`
    by_column: Vec<T>,
    hidden: usize,
    columns: usize,
    folds: Vec<Fold<T>>,
}

/// One pair's paths and joints.
struct Fold<T> {
    /// What each joint is of the paths, and what each path's gradient is of the joints'.
    of_paths: Vec<Combination<T>>,
    of_joints: Vec<Combination<T>>,
    /// `c_in c_out`
    channels: usize,
    /// First column in the layer, and in the folded one.
    column: usize,
    folded: usize,
}

/// A row as a sum of other rows: their numbers and coefficients.
type Combination<T> = Vec<(usize, T)>;

impl<T: Real> Fold<T> {
    fn new(
        entries: &[(usize, usize, T)],
        (paths, joints): (usize, usize),
        channels: usize,
        (column, folded): (usize, usize),
    ) -> Self {
        let mut of_paths = vec![Vec::new(); joints];
        let mut of_joints = vec![Vec::new(); paths];
        for &(path, joint, value) in entries {
            of_paths[joint].push((path, value));
            of_joints[path].push((joint, value));
        }
        Self {
            of_paths,
            of_joints,
            channels,
            column,
            folded,
        }
    }

    fn folded_columns(&self) -> Range<usize> {
        self.folded..self.folded + self.of_paths.len() * self.channels
    }
}

/// `to[row] += sum over the combination of value from[other row]`, rows of `width` numbers.
struct Combine<'a, T> {
    combinations: &'a [Combination<T>],
    width: usize,
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Real> Loop for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (width, from) = (self.width, self.from);
        for (combination, to) in self
            .combinations
            .iter()
            .zip(self.to.chunks_exact_mut(width.max(1)))
        {
            let (wide, rest) = to.as_chunks_mut::<LANES>();
            let start = wide.len() * LANES;
            for (at, to) in wide.iter_mut().enumerate() {
                let mut sum = *to;
                for &(row, value) in combination {
                    let from = &from[row * width + at * LANES..][..LANES];
                    for lane in 0..LANES {
                        sum[lane] = I::multiply_add(from[lane], value, sum[lane]);
                    }
                }
                *to = sum;
            }
            for (at, to) in rest.iter_mut().enumerate() {
                *to = combination.iter().fold(*to, |sum, &(row, value)| {
                    I::multiply_add(from[row * width + start + at], value, sum)
                });
            }
        }
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
                let fold = Fold::new(
                    &group.frame.entries(pair, &length),
                    (pair.paths.len(), group.frame.joints.len()),
                    pair.input.mul * pair.output.mul,
                    (pair.weights.start, columns),
                );
                columns = fold.folded_columns().end;
                folds.push(fold);
            }
        }
        let rows = layer.hidden_with_bias();
        let mut numbers = vec![T::ZERO; rows * columns];
        let rows = numbers
            .chunks_exact_mut(columns.max(1))
            .zip(layer.numbers.chunks_exact(layer.columns.max(1)));
        run_all(rows.collect(), |(to, from)| {
            for fold in &folds {
                dispatch(Combine {
                    combinations: &fold.of_paths,
                    width: fold.channels,
                    from: &from[fold.column..],
                    to: &mut to[fold.folded_columns()],
                });
            }
        });
        let mut folded = Self {
            by_column: Vec::new(),
            numbers,
            hidden: layer.hidden,
            columns,
            folds,
        };
        let mut by_column = vec![T::ZERO; columns * layer.hidden];
        folded.layer().write_by_column(0..columns, &mut by_column);
        folded.by_column = by_column;
        folded
    }

    pub(super) fn layer(&self) -> Layer<'_, T> {
        Layer {
            numbers: &self.numbers,
            hidden: self.hidden,
            columns: self.columns,
            by_column: &self.by_column,
        }
    }

    /// Adds the gradient to the folded columns to that to the layer's own.
    pub(super) fn unfold(&self, folded: &WeightGradient<T>, to: &mut WeightGradient<T>) {
        let unfold = |from: &[T], to: &mut [T], per_column: usize| {
            for fold in &self.folds {
                dispatch(Combine {
                    combinations: &fold.of_joints,
                    width: fold.channels * per_column,
                    from: &from[fold.folded * per_column..],
                    to: &mut to[fold.column * per_column..],
                });
            }
        };
        unfold(&folded.packed, &mut to.packed, self.hidden);
        if !to.bias.is_empty() {
            unfold(&folded.bias, &mut to.bias, 1);
        }
    }
}
