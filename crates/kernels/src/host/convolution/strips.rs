//! The last radial layer in strips: blocks of weights that a kernel holds in registers.
//!
//! A path's weights are a matrix: forward its rows are input channels and its columns output channels,
//! backward it is the other way round. A strip is a few rows of a few units of columns, each a cache line in
//! f32. Strips of a path lie one behind the other, each `[hidden, unit]`, with one more row for the bias.

use steerable_harmonics::plan::Pair;

use super::Convolution;
use super::cost::Pass;
use super::lanes::LANES;
use super::program::{Group, Order, Program};
use crate::host::real::{Real, axpy};
use crate::host::tasks::{run_all, split_mut};

/// Sixteen columns.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Unit<T>(pub(super) [T; LANES]);

impl<T: Real> Unit<T> {
    pub(super) const ZERO: Self = Self([T::ZERO; LANES]);
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

    /// Its part of a matrix, where each unit has `numbers`, and what lies behind it: mostly what is read next.
    pub(super) fn of<'s, U>(&self, matrix: &'s [U], numbers: usize) -> (&'s [U], &'s [U]) {
        matrix[self.before * numbers..].split_at(self.len() * numbers)
    }

    pub(super) fn of_mut<'s, U>(
        &self,
        matrix: &'s mut [U],
        numbers: usize,
    ) -> (&'s mut [U], &'s [U]) {
        let (own, behind) = matrix[self.before * numbers..].split_at_mut(self.len() * numbers);
        (own, behind)
    }

    /// Cuts a matrix of `rows` rows of `units` units.
    pub(super) fn cut<T>(rows: usize, units: usize) -> impl Iterator<Item = Self> {
        let most_units = Self::MOST_UNITS * size_of::<f32>() / size_of::<T>();
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

    /// Its strips, where each unit has `numbers`, and those of the matrices behind it.
    pub(super) fn onwards<'s, U>(&self, all: &'s [U], numbers: usize) -> &'s [U] {
        &all[self.first * numbers..]
    }

    pub(super) fn onwards_mut<'s, U>(&self, all: &'s mut [U], numbers: usize) -> &'s mut [U] {
        &mut all[self.first * numbers..]
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
    vec![Unit::ZERO; units_of(program) * convolution.hidden_with_bias()]
}

/// The strips that a pass reads, `[strip, hidden, unit]`.
pub(super) fn pack<T: Real>(
    convolution: &Convolution<'_, T>,
    program: &Program<'_, T>,
    pass: Pass,
) -> Vec<Unit<T>> {
    let rows = convolution.hidden_with_bias();
    let mut strips = vec![Unit::ZERO; units_of(program) * rows];
    let matrices = PathMatrix::all(program, pass);
    let lengths = matrices.iter().map(|matrix| matrix.len() * rows);
    let own = split_mut(&mut strips, lengths);
    run_all(matrices.iter().zip(own).collect(), |(matrix, own)| {
        for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
            let (own, _) = strip.of_mut(own, rows);
            fill(convolution, matrix, strip, own);
        }
    });
    strips
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

/// Writes rows of the gradient to the layer, from one on: the sum of what the threads have for the strips.
pub(super) fn unpack<T: Real>(
    gradients: &[Vec<Unit<T>>],
    first_row: usize,
    convolution: &Convolution<'_, T>,
    program: &Program<'_, T>,
    to: &mut [T],
) {
    let Some((first, others)) = gradients.split_first() else {
        return;
    };
    let (all, rows) = (
        convolution.plan.num_weights(),
        convolution.hidden_with_bias(),
    );
    let to_harmonics = false;
    for matrix in PathMatrix::all(program, Pass::Backward { to_harmonics }) {
        let [_, by_column] = matrix.strides;
        for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
            let before = (matrix.first + strip.before) * rows;
            for (row, to) in (first_row..).zip(to.chunks_exact_mut(all)) {
                let units = before + row * strip.len()..;
                for (unit, column) in units.zip(matrix.columns_of(strip)) {
                    let Unit(mut sum) = first[unit];
                    for other in others {
                        axpy(&mut sum, T::ONE, &other[unit].0);
                    }
                    let to = to[column..].iter_mut().step_by(by_column);
                    to.zip(sum).for_each(|(to, sum)| *to = sum);
                }
            }
        }
    }
}
