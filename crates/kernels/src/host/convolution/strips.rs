//! The last radial layer in strips: blocks of weights that a kernel holds in registers.
//!
//! A path's weights are a matrix: forward its rows are input channels and its columns output channels,
//! backward it is the other way round. A strip is a few rows of a few units of columns, each a cache line in
//! f32. Strips of a path lie one behind the other, each `[hidden, unit]`, with one more row for the bias.

use steerable_harmonics::plan::Pair;

use super::cost::Pass;
use super::lanes::LANES;
use super::program::{Group, Order, Program};
use super::{Convolution, Wanted};
use crate::host::real::Real;
use crate::host::tasks::{run_all, split_mut};

/// Sixteen columns.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Unit<T>(pub(super) [T; LANES]);

impl<T: Real> Unit<T> {
    pub(super) const ZERO: Self = Self([T::ZERO; LANES]);
}

/// The numbers of units, one after the other.
pub(super) fn numbers<T: Real>(units: &[Unit<T>]) -> &[T] {
    const { assert!(size_of::<Unit<T>>() == LANES * size_of::<T>()) };
    // SAFETY: a unit is sixteen numbers and nothing else, as is asserted, so as many times sixteen lie
    // there, in memory that stays borrowed as long.
    unsafe { std::slice::from_raw_parts(units.as_ptr().cast(), units.len() * LANES) }
}

/// A block of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strip {
    /// First row and unit of columns.
    pub(super) row: usize,
    pub(super) unit: usize,
    pub(super) rows: usize,
    /// Units in a row.
    pub(super) units: usize,
    /// Units in the strips before.
    pub(super) before: usize,
}

impl Strip {
    /// Units that the registers hold beside what is read, in f32.
    pub(super) const MOST_UNITS: usize = 6;

    /// Units of the strip.
    pub(super) fn len(&self) -> usize {
        self.rows * self.units
    }

    /// Its part of a matrix, where each unit has `numbers`.
    pub(super) fn weight<'s, U>(&self, matrix: &'s [U], numbers: usize) -> &'s [U] {
        &matrix[self.before * numbers..(self.before + self.len()) * numbers]
    }

    /// Cuts a matrix of `rows` rows of `units` units.
    pub(super) fn cut<T>(rows: usize, units: usize) -> impl Iterator<Item = Self> {
        Self::cut_into(
            Self::MOST_UNITS * size_of::<f32>() / size_of::<T>(),
            rows,
            units,
        )
    }

    /// The same in strips that leave room for the units that are read.
    pub(super) fn cut_short<T>(rows: usize, units: usize) -> impl Iterator<Item = Self> {
        Self::cut_into(4 * size_of::<f32>() / size_of::<T>(), rows, units)
    }

    fn cut_into(most_units: usize, rows: usize, units: usize) -> impl Iterator<Item = Self> {
        let (mut row, mut unit, mut before) = (0, 0, 0);
        std::iter::from_fn(move || {
            if unit == units || rows == 0 {
                return None;
            }
            let wide = (units - unit).min(3).min(most_units);
            let (most, left) = (most_units / wide, rows - row);
            // Two strips of a kind rather than a high one and a rest, which would wait for its sums.
            let high = match left {
                left if left <= most => left,
                left if left < 2 * most => left.div_ceil(2),
                _ => most,
            };
            let strip = Self {
                row,
                unit,
                // The heights that `by_shape` has.
                rows: if high == 5 { 4 } else { high },
                units: wide,
                before,
            };
            before += strip.len();
            row += strip.rows;
            if row == rows {
                (row, unit) = (0, unit + wide);
            }
            Some(strip)
        })
    }
}

/// Calls a method with the rows, units and size of a strip as constants.
macro_rules! by_shape {
    ($rows:expr, $units:expr, $self:ident.$method:ident::<$I:ident>($($argument:expr),*)) => {
        by_shape!(
            @each ($rows, $units), $self, $method, $I, ($($argument),*),
            (1, 1, 1) (2, 1, 2) (3, 1, 3) (4, 1, 4) (6, 1, 6)
            (1, 2, 2) (2, 2, 4) (3, 2, 6) (1, 3, 3) (2, 3, 6)
        )
    };
    (@each $shape:expr, $self:ident, $method:ident, $I:ident, $arguments:tt,
     $(($rows:literal, $units:literal, $len:literal))*) => {
        match $shape {
            $(($rows, $units) => by_shape!(
                @call $self, $method, $I, $rows, $units, $len, $arguments
            ),)*
            shape => unreachable!("no strip has the shape {shape:?}"),
        }
    };
    (@call $self:ident, $method:ident, $I:ident, $rows:literal, $units:literal, $len:literal,
     ($($argument:expr),*)) => {
        $self.$method::<$I, $rows, $units, $len>($($argument),*)
    };
}

pub(super) use by_shape;

/// What a pass reads and writes of the pairs that go by strips.
#[derive(Default)]
pub(super) struct Strips<T> {
    /// `[strip, hidden, unit]`
    pub(super) weight: Vec<Unit<T>>,
    /// `[column, hidden]` in the order of the strips, without the bias, in whole units of hidden features.
    /// Empty where no gradient to hidden features is formed.
    by_column: Vec<Unit<T>>,
}

/// Where a path of a pair stands, and its matrix.
#[derive(Clone, Copy)]
pub(super) struct PathMatrix {
    /// Units before it.
    first: usize,
    /// First of its columns in the layer.
    column: usize,
    pub(super) rows: usize,
    pub(super) units: usize,
    /// Columns of the layer from row to row and from column to column.
    strides: [usize; 2],
}

impl PathMatrix {
    pub(super) fn new<T>(group: &Group<'_, T>, pair: &Pair, path: usize, pass: Pass) -> Self {
        let (mul, channels) = (group.input.mul, pair.output.mul);
        let (rows, columns, strides) = match pass {
            Pass::Forward => (mul, channels, [channels, 1]),
            Pass::Backward { .. } => (channels, mul, [1, channels]),
        };
        let units = columns / LANES;
        let before = group.members.iter();
        let before = before.take_while(|other| other.weights != pair.weights);
        let before: usize = before.map(|other| other.weights.len() / LANES).sum();
        Self {
            first: group.first_unit + before + path * rows * units,
            column: group.columns(pair, path).start,
            rows,
            units,
            strides,
        }
    }

    fn len(&self) -> usize {
        self.rows * self.units
    }

    /// The matrices of all pairs that go by strips, one behind the other.
    fn all<T>(program: &Program<'_, T>, pass: Pass) -> Vec<Self> {
        program
            .groups_in(Order::SparseEdgeWeights)
            .flat_map(|group| {
                let paths = move |pair| {
                    (0..group.paths.len()).map(move |path| Self::new(group, pair, path, pass))
                };
                group.members.iter().copied().flat_map(paths)
            })
            .collect()
    }

    /// The part of its strips, where each unit has `numbers` of them.
    pub(super) fn of<'s, U>(&self, all: &'s [U], numbers: usize) -> &'s [U] {
        &all[self.first * numbers..(self.first + self.len()) * numbers]
    }

    pub(super) fn of_mut<'s, U>(&self, all: &'s mut [U], numbers: usize) -> &'s mut [U] {
        &mut all[self.first * numbers..(self.first + self.len()) * numbers]
    }

    /// For each unit of a strip, its first column in the layer.
    fn columns_of(self, strip: Strip) -> impl Iterator<Item = usize> {
        let [by_row, by_column] = self.strides;
        let rows = strip.row..strip.row + strip.rows;
        rows.flat_map(move |row| {
            let units = strip.unit..strip.unit + strip.units;
            units.map(move |unit| self.column + row * by_row + unit * LANES * by_column)
        })
    }
}

/// Rows of a strip: hidden features, and one for the bias.
pub(super) fn rows_of<T: Real>(convolution: &Convolution<'_, T>) -> usize {
    convolution.hidden_width + usize::from(convolution.bias().is_some())
}

/// Units of the hidden features of one edge or column.
pub(super) fn hidden_units<T: Real>(convolution: &Convolution<'_, T>) -> usize {
    convolution.hidden_width.div_ceil(LANES)
}

/// Gives the groups that go by strips their places, one behind the other.
pub(super) fn place<T>(groups: &mut [Group<'_, T>]) {
    let mut units = 0;
    let by_strips = groups.iter_mut();
    for group in by_strips.filter(|group| group.order == Order::SparseEdgeWeights) {
        group.first_unit = units;
        units += group.units();
    }
}

/// Units of all pairs together.
fn units_of<T>(program: &Program<'_, T>) -> usize {
    let by_strips = program.groups_in(Order::SparseEdgeWeights);
    by_strips.map(Group::units).sum()
}

/// Zeros for the gradient to the strips.
pub(super) fn gradient<T: Real>(
    convolution: &Convolution<'_, T>,
    program: &Program<'_, T>,
) -> Vec<Unit<T>> {
    vec![Unit::ZERO; units_of(program) * rows_of(convolution)]
}

impl<T: Real> Strips<T> {
    pub(super) fn forward(convolution: &Convolution<'_, T>, program: &Program<'_, T>) -> Self {
        Self::new(convolution, program, Pass::Forward, false)
    }

    pub(super) fn backward(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        wanted: Wanted,
    ) -> Self {
        let to_harmonics = wanted.harmonics;
        let pass = Pass::Backward { to_harmonics };
        Self::new(convolution, program, pass, wanted.hidden)
    }

    fn new(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        pass: Pass,
        by_column: bool,
    ) -> Self {
        let units = units_of(program);
        let (rows, hidden) = (rows_of(convolution), hidden_units(convolution));
        let of_column = if by_column { LANES * hidden } else { 0 };
        let mut strips = Self {
            weight: vec![Unit::ZERO; units * rows],
            by_column: vec![Unit::ZERO; units * of_column],
        };
        let matrices = PathMatrix::all(program, pass);
        let lengths = |numbers: usize| matrices.iter().map(move |matrix| matrix.len() * numbers);
        let weights = split_mut(&mut strips.weight, lengths(rows));
        let columns = split_mut(&mut strips.by_column, lengths(of_column));
        let tasks = matrices.iter().zip(weights).zip(columns).collect();
        run_all(tasks, |((matrix, weight), by_column)| {
            for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
                let len = strip.len();
                let weight = &mut weight[strip.before * rows..][..len * rows];
                fill(convolution, matrix, strip, weight);
                if !by_column.is_empty() {
                    let columns = &mut by_column[strip.before * of_column..][..len * of_column];
                    transpose(weight, len, columns, hidden, convolution.hidden_width);
                }
            }
        });
        strips
    }

    /// Of a matrix `[column, hidden]`.
    pub(super) fn by_column(&self, matrix: &PathMatrix, hidden: usize) -> &[Unit<T>] {
        matrix.of(&self.by_column, LANES * hidden)
    }
}

/// Copies a strip out of the layer.
fn fill<T: Real>(
    convolution: &Convolution<'_, T>,
    matrix: &PathMatrix,
    strip: Strip,
    to: &mut [Unit<T>],
) {
    let (all, [_, by_column]) = (convolution.plan.num_weights(), matrix.strides);
    for (h, to) in to.chunks_exact_mut(strip.len()).enumerate() {
        let layer = &convolution.weight[h * all..(h + 1) * all];
        for (Unit(to), column) in to.iter_mut().zip(matrix.columns_of(strip)) {
            let from = layer[column..].iter().step_by(by_column);
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}

/// `[hidden, unit]` of `len` units to `[column, hidden]`, sixteen by sixteen.
fn transpose<T: Real>(
    strip: &[Unit<T>],
    len: usize,
    to: &mut [Unit<T>],
    hidden: usize,
    width: usize,
) {
    for (unit, to) in to.chunks_exact_mut(LANES * hidden).enumerate() {
        for (first, features) in (0..hidden).zip((0..width).step_by(LANES)) {
            let features = features..(features + LANES).min(width);
            for (lane, to) in to.chunks_exact_mut(hidden).enumerate() {
                let to = &mut to[first].0;
                for (to, feature) in to.iter_mut().zip(features.clone()) {
                    *to = strip[feature * len + unit].0[lane];
                }
            }
        }
    }
}

/// Writes a gradient to the strips of a backward pass in the layout of the layer.
pub(super) fn unpack<T: Real>(
    gradient: &[Unit<T>],
    convolution: &Convolution<'_, T>,
    program: &Program<'_, T>,
    to: &mut [T],
) {
    let (all, rows) = (convolution.plan.num_weights(), rows_of(convolution));
    let to_harmonics = false;
    for matrix in PathMatrix::all(program, Pass::Backward { to_harmonics }) {
        let [_, by_column] = matrix.strides;
        for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
            let gradient = &matrix.of(gradient, rows)[strip.before * rows..];
            for (h, from) in gradient.chunks_exact(strip.len()).take(rows).enumerate() {
                let layer = &mut to[h * all..(h + 1) * all];
                for (Unit(from), column) in from.iter().zip(matrix.columns_of(strip)) {
                    let to = layer[column..].iter_mut().step_by(by_column);
                    to.zip(from).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}
