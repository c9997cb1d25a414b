//! The order that forms the radial weights of one edge after the other, in registers, from the hidden
//! features that are not zero: `out[m, c_out] += z[m, c_in] R[c_in, c_out]`. Channels lie side by side.

use steerable_harmonics::plan::Pair;

use super::active::{Active, ActiveHidden, FOUR};
use super::cost::Pass;
use super::couple::kernel_entries;
use super::lanes::{LANES, Lanes, Packed, multiply_add, scaled_add};
use super::program::{Group, Order, PathProgram, Program, Slot};
use super::radial_weights::Span;
use super::strips::{PathMatrix, Strip, Unit, by_shape, rows_of};
use super::tiles::Tile;
use super::{Convolution, EDGES, EdgeRows, Wanted};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, dispatch, fetch_ahead};

/// One tile.
#[derive(Clone, Copy)]
pub(super) struct Job<'a, T> {
    pub(super) convolution: &'a Convolution<'a, T>,
    pub(super) strips: &'a [Unit<T>],
    pub(super) tile: &'a Tile,
    /// The row of each edge of the tile.
    pub(super) rows: &'a [usize],
    pub(super) y: &'a Packed<T>,
}

/// Sums over every eighth column.
type Half<T> = [T; LANES / 2];

/// Buffers of one thread.
pub(super) struct SparseEdges<T> {
    active: ActiveHidden<T>,
    /// Kernel entries of a path, `[run, slot]`.
    entries: Vec<Lanes<T>>,
    /// Coupled features of a span, `[edge, m_out, c_in]`.
    z: Vec<T>,
    to_z: Vec<T>,
    /// Messages of a span, `[member, edge, m_out, c_out]`.
    messages: Vec<T>,
    /// The gradient to a strip of radial weights, `[edge, unit]`.
    to_radial: Vec<Unit<T>>,
    /// The gradient to the hidden features in the lists of a span's edges, as sums that are still apart.
    to_hidden: Vec<Half<T>>,
    /// Where the numbers of each edge begin in `z`, in its message and in what the rows have.
    at_edge: Vec<usize>,
    at_message: Vec<usize>,
    at_row: Vec<usize>,
}

impl<T: Real> SparseEdges<T> {
    pub(super) fn new(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        backward: bool,
    ) -> Self {
        let groups = || program.groups_in(Order::SparseEdgeWeights);
        let coupled = groups().map(Group::coupled_len).max().unwrap_or(0);
        let slots = groups().map(Group::most_slots).max().unwrap_or(0);
        let messages = groups().map(|group| group.components * group.channels_out());
        let messages = messages.max();
        let edges = if groups().next().is_some() { EDGES } else { 0 };
        let back = if backward { edges } else { 0 };
        Self {
            active: ActiveHidden::new(backward),
            entries: vec![[T::ZERO; LANES]; edges / LANES * slots],
            z: vec![T::ZERO; edges * coupled],
            to_z: vec![T::ZERO; back * coupled],
            messages: vec![T::ZERO; (edges - back) * messages.unwrap_or(0)],
            to_radial: vec![Unit::ZERO; back * Strip::MOST_UNITS],
            to_hidden: vec![[T::ZERO; LANES / 2]; back * list_len(convolution)],
            at_edge: Vec::new(),
            at_message: Vec::new(),
            at_row: Vec::new(),
        }
    }

    /// Adds the messages of a group to the rows of a tile; `out` begins with row `first_row`.
    pub(super) fn forward(
        &mut self,
        job: Job<'_, T>,
        group: &Group<'_, T>,
        out: &mut [T],
        first_row: usize,
    ) {
        let (mul, dim_out) = (group.input.mul, job.convolution.dim_out());
        let numbers = |pair: &Pair| group.components * pair.output.mul;
        for span in Span::all(job.tile) {
            self.active.hold(job.convolution, group.radial, &span);
            let count = span.edges.len();
            let all = count * group.components * group.channels_out();
            self.messages[..all].fill(T::ZERO);
            for index in 0..group.paths.len() {
                self.couple(job, group, index, &span);
                let mut messages = &mut self.messages[..];
                for pair in &group.members {
                    let own = messages.split_off_mut(..count * numbers(pair));
                    self.at_message.clear();
                    self.at_message
                        .extend((0..count).map(|edge| edge * numbers(pair)));
                    let matrix = PathMatrix::new(group, pair, index, Pass::Forward);
                    let rows = rows_of(job.convolution);
                    let weights = matrix.onwards(job.strips, rows);
                    let own = own.expect("the buffer holds the messages of the largest group");
                    for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
                        let (weight, next) = strip.of(weights, rows);
                        dispatch(Forward {
                            weight,
                            next,
                            active: &self.active,
                            strip,
                            components: group.components,
                            z: Rows {
                                data: &self.z,
                                at: &self.at_edge,
                                stride: mul,
                            },
                            out: RowsMut {
                                data: &mut *own,
                                at: &self.at_message,
                                stride: pair.output.mul,
                            },
                        });
                    }
                }
            }
            // A message is summed once it is complete: one order of additions for each row.
            let mut messages = &self.messages[..];
            for pair in &group.members {
                let rows = &job.rows[span.within(job.tile)];
                for (row, message) in rows.iter().zip(messages.chunks_exact(numbers(pair))) {
                    let to = &mut out[(row - first_row) * dim_out..][pair.output.columns()];
                    to.iter_mut().zip(message).for_each(|(to, &m)| *to += m);
                }
                messages = &messages[count * numbers(pair)..];
            }
        }
    }

    /// Adds the gradients of a group for the edges of a tile. `grad` is the gradient to all rows, `weight`
    /// that to the strips.
    pub(super) fn backward(
        &mut self,
        job: Job<'_, T>,
        group: &Group<'_, T>,
        (grad, wanted): (&[T], Wanted),
        edges: &mut EdgeRows<'_, T>,
        weight: &mut [Unit<T>],
    ) {
        let to_harmonics = wanted.harmonics;
        let pass = Pass::Backward { to_harmonics };
        let to_z = wanted.features || wanted.harmonics;
        let rows = rows_of(job.convolution);
        let list = list_len(job.convolution);
        for span in Span::all(job.tile) {
            self.active.hold(job.convolution, group.radial, &span);
            let count = span.edges.len();
            if wanted.hidden {
                self.to_hidden[..count * list].fill([T::ZERO; LANES / 2]);
            }
            for index in 0..group.paths.len() {
                self.couple(job, group, index, &span);
                if to_z {
                    self.to_z[..count * group.coupled_len()].fill(T::ZERO);
                }
                for pair in &group.members {
                    self.find_rows(job, pair, &span);
                    let matrix = PathMatrix::new(group, pair, index, pass);
                    let (z, g) = (group.input.mul, pair.output.mul);
                    for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
                        let to_radial = &mut self.to_radial[..count * strip.len()];
                        let (own, next) = strip.of(matrix.onwards(job.strips, rows), rows);
                        dispatch(Backward {
                            weight: own,
                            next,
                            active: &self.active,
                            strip,
                            components: group.components,
                            z: Rows {
                                data: &self.z,
                                at: &self.at_edge,
                                stride: z,
                            },
                            grad: Rows {
                                data: grad,
                                at: &self.at_row,
                                stride: g,
                            },
                            to_z: to_z.then_some(RowsMut {
                                data: &mut self.to_z,
                                at: &self.at_edge,
                                stride: z,
                            }),
                            to_radial: (wanted.weight || wanted.hidden).then_some(&mut *to_radial),
                        });
                        if wanted.hidden {
                            dispatch(ToHidden {
                                to: &mut self.to_hidden,
                                list,
                                weight: own,
                                active: &self.active,
                                to_radial,
                                strip,
                            });
                        }
                        if wanted.weight {
                            let to = matrix.onwards_mut(weight, rows);
                            let (to, next) = strip.of_mut(to, rows);
                            dispatch(ToWeight {
                                to,
                                next,
                                active: &self.active,
                                to_radial,
                                strip,
                            });
                        }
                    }
                }
                if to_z {
                    self.couple_backward(job, group, index, &span, wanted, edges);
                }
            }
            if wanted.hidden {
                self.add_to_hidden(job, group, &span, edges);
            }
        }
    }

    /// Where the numbers of a pair begin in the row of each edge of a span.
    fn find_rows(&mut self, job: Job<'_, T>, pair: &Pair, span: &Span) {
        let (dim, column) = (job.convolution.dim_out(), pair.output.columns().start);
        self.at_row.clear();
        let rows = job.rows[span.within(job.tile)].iter();
        self.at_row.extend(rows.map(|row| row * dim + column));
    }

    fn couple(&mut self, job: Job<'_, T>, group: &Group<'_, T>, index: usize, span: &Span) {
        let len = group.coupled_len();
        self.at_edge.clear();
        self.at_edge
            .extend((0..span.edges.len()).map(|edge| edge * len));
        dispatch(Couple {
            job,
            group,
            path: &group.paths[index],
            span,
            entries: &mut self.entries,
            z: &mut self.z,
        });
    }

    fn couple_backward(
        &mut self,
        job: Job<'_, T>,
        group: &Group<'_, T>,
        index: usize,
        span: &Span,
        wanted: Wanted,
        edges: &mut EdgeRows<'_, T>,
    ) {
        let (dim, width) = (job.convolution.dim_in(), job.convolution.harmonics_width);
        let within = span.within(job.tile);
        dispatch(CoupleBackward {
            job,
            group,
            path: &group.paths[index],
            span,
            entries: &self.entries,
            to_z: &self.to_z,
            to_x: wanted
                .features
                .then(|| &mut edges.features[within.start * dim..within.end * dim]),
            to_y: wanted
                .harmonics
                .then(|| &mut edges.harmonics[within.start * width..within.end * width]),
        });
    }

    fn add_to_hidden(
        &self,
        job: Job<'_, T>,
        group: &Group<'_, T>,
        span: &Span,
        edges: &mut EdgeRows<'_, T>,
    ) {
        let (width, stride) = (
            job.convolution.hidden_width,
            job.convolution.hidden_stride(),
        );
        let own = self.to_hidden.chunks_exact(list_len(job.convolution));
        let lists = self.active.of_edges().zip(own);
        for (edge, (active, own)) in span.within(job.tile).zip(lists) {
            let row = &mut edges.hidden[edge * stride + group.radial * width..][..width];
            for (&Active { index, .. }, own) in active.iter().zip(own) {
                // The bias has no gradient to a feature.
                if let Some(to) = row.get_mut(index as usize) {
                    *to += own.iter().fold(T::ZERO, |sum, &part| sum + part);
                }
            }
        }
    }
}

/// Room for the hidden features of one edge.
fn list_len<T: Real>(convolution: &Convolution<'_, T>) -> usize {
    rows_of(convolution).next_multiple_of(FOUR)
}

/// Units of the next strip that are fetched with each edge: a strip of forty hidden features in a span.
const UNITS_AHEAD: usize = 4;

/// Rows of numbers: component `m` of an edge begins at `at[edge] + m stride`.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    data: &'a [T],
    at: &'a [usize],
    stride: usize,
}

struct RowsMut<'a, T> {
    data: &'a mut [T],
    at: &'a [usize],
    stride: usize,
}

/// `sum over the active hidden features of value weight[feature]`
#[inline(always)]
fn form<I: Instructions, T: Real, const N: usize>(
    weight: &[[Unit<T>; N]],
    active: &[Active<T>],
) -> [Lanes<T>; N] {
    let mut formed = [[T::ZERO; LANES]; N];
    for &Active { index, value } in active {
        let weight = &weight[index as usize];
        for n in 0..N {
            formed[n] = scaled_add::<I, T>(&weight[n].0, value, &formed[n]);
        }
    }
    formed
}

/// `out[m, column] += sum over rows of scalars[m, row] formed[row, column]`
#[inline(always)]
fn apply<I: Instructions, T: Real, const R: usize, const U: usize, const N: usize>(
    formed: &[Lanes<T>; N],
    components: usize,
    (scalars, scalar_stride): (&[T], usize),
    (out, out_stride): (&mut [T], usize),
) {
    for m in 0..components {
        let scalars = &scalars[m * scalar_stride..][..R];
        let (out, _) = out[m * out_stride..][..U * LANES].as_chunks_mut::<LANES>();
        for u in 0..U {
            let mut sum = out[u];
            for r in 0..R {
                sum = scaled_add::<I, T>(&formed[r * U + u], scalars[r], &sum);
            }
            out[u] = sum;
        }
    }
}

/// `to[row, column] = sum over m of scalars[m, row] numbers[m, column]`
#[inline(always)]
fn outer<I: Instructions, T: Real, const R: usize, const U: usize, const N: usize>(
    components: usize,
    (scalars, scalar_stride): (&[T], usize),
    (numbers, stride): (&[T], usize),
    to: &mut [Unit<T>; N],
) {
    for r in 0..R {
        let mut sums = [[T::ZERO; LANES]; U];
        for m in 0..components {
            let (numbers, _) = numbers[m * stride..][..U * LANES].as_chunks::<LANES>();
            let scalar = scalars[m * scalar_stride + r];
            for u in 0..U {
                sums[u] = scaled_add::<I, T>(&numbers[u], scalar, &sums[u]);
            }
        }
        for u in 0..U {
            to[r * U + u] = Unit(sums[u]);
        }
    }
}

/// Radial weights formed and applied.
struct Forward<'a, T> {
    weight: &'a [Unit<T>],
    /// What is read next.
    next: &'a [Unit<T>],
    active: &'a ActiveHidden<T>,
    strip: Strip,
    components: usize,
    z: Rows<'a, T>,
    out: RowsMut<'a, T>,
}

impl<T: Real> Forward<'_, T> {
    #[inline(always)]
    fn edges<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (row, column) = (self.strip.row, self.strip.unit * LANES);
        let (weight, _) = self.weight.as_chunks::<N>();
        let places = self.z.at.iter().zip(self.out.at);
        let mut next = self.next.chunks(UNITS_AHEAD);
        for (active, (&z, &out)) in self.active.of_edges().zip(places) {
            next.next().into_iter().for_each(fetch_ahead);
            let formed = form::<I, T, N>(weight, active);
            apply::<I, T, R, U, N>(
                &formed,
                self.components,
                (&self.z.data[z + row..], self.z.stride),
                (&mut self.out.data[out + column..], self.out.stride),
            );
        }
    }
}

impl<T: Real> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.edges::<I>());
    }
}

/// The transposes of [`Forward`], with input channels side by side.
struct Backward<'a, T> {
    weight: &'a [Unit<T>],
    /// What is read next.
    next: &'a [Unit<T>],
    active: &'a ActiveHidden<T>,
    strip: Strip,
    components: usize,
    z: Rows<'a, T>,
    grad: Rows<'a, T>,
    to_z: Option<RowsMut<'a, T>>,
    to_radial: Option<&'a mut [Unit<T>]>,
}

impl<T: Real> Backward<'_, T> {
    #[inline(always)]
    fn edges<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (row, column) = (self.strip.row, self.strip.unit * LANES);
        let grad_of = |at: usize| (&self.grad.data[at + row..], self.grad.stride);
        if let Some(to_z) = self.to_z {
            let (weight, _) = self.weight.as_chunks::<N>();
            let places = self.grad.at.iter().zip(to_z.at);
            let mut next = self.next.chunks(UNITS_AHEAD);
            for (active, (&grad, &to)) in self.active.of_edges().zip(places) {
                next.next().into_iter().for_each(fetch_ahead);
                let formed = form::<I, T, N>(weight, active);
                let to = (&mut to_z.data[to + column..], to_z.stride);
                apply::<I, T, R, U, N>(&formed, self.components, grad_of(grad), to);
            }
        }
        if let Some(to_radial) = self.to_radial {
            let (to_radial, _) = to_radial.as_chunks_mut::<N>();
            let places = self.grad.at.iter().zip(self.z.at);
            for (to, (&grad, &z)) in to_radial.iter_mut().zip(places) {
                let z = (&self.z.data[z + column..], self.z.stride);
                outer::<I, T, R, U, N>(self.components, grad_of(grad), z, to);
            }
        }
    }
}

impl<T: Real> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.edges::<I>());
    }
}

/// `to[feature, column] += sum over edges of hidden[edge, feature] to_radial[edge, column]`
struct ToWeight<'a, T> {
    to: &'a mut [Unit<T>],
    /// What is added to next.
    next: &'a [Unit<T>],
    active: &'a ActiveHidden<T>,
    to_radial: &'a [Unit<T>],
    strip: Strip,
}

impl<T: Real> ToWeight<'_, T> {
    #[inline(always)]
    fn features<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (to_radial, _) = self.to_radial.as_chunks::<N>();
        let (to, _) = self.to.as_chunks_mut::<N>();
        let mut next = self.next.chunks(N);
        for (to, edges) in to.iter_mut().zip(self.active.of_features()) {
            next.next().into_iter().for_each(fetch_ahead);
            let mut sums = [[T::ZERO; LANES]; N];
            for n in 0..N {
                sums[n] = to[n].0;
            }
            for &Active { index, value } in edges {
                let to_radial = &to_radial[index as usize];
                for n in 0..N {
                    sums[n] = scaled_add::<I, T>(&to_radial[n].0, value, &sums[n]);
                }
            }
            for n in 0..N {
                to[n] = Unit(sums[n]);
            }
        }
    }
}

impl<T: Real> Loop for ToWeight<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.features::<I>());
    }
}

/// `to[edge, n] += to_radial[edge, column] weight[feature n, column]` for the hidden features in the edge's
/// list, eight columns side by side.
struct ToHidden<'a, T> {
    to: &'a mut [Half<T>],
    /// Room for one edge.
    list: usize,
    weight: &'a [Unit<T>],
    active: &'a ActiveHidden<T>,
    to_radial: &'a [Unit<T>],
    strip: Strip,
}

impl<T: Real> ToHidden<'_, T> {
    #[inline(always)]
    fn edges<I: Instructions, const R: usize, const U: usize, const N: usize>(self) {
        let (weight, _) = self.weight.as_chunks::<N>();
        let (to_radial, _) = self.to_radial.as_chunks::<N>();
        let lists = self.active.fours_of_edges().zip(to_radial);
        for (to, (active, to_radial)) in self.to.chunks_exact_mut(self.list).zip(lists) {
            let to_radial: [Lanes<T>; N] = std::array::from_fn(|n| to_radial[n].0);
            let (to, _) = to.as_chunks_mut::<FOUR>();
            for (to, active) in to.iter_mut().zip(active) {
                let weight = active.map(|one| &weight[one.index as usize]);
                *to = add_products::<I, T, N>(weight, &to_radial, *to);
            }
        }
    }
}

/// Adds the products with each of four rows, eight columns side by side: their sums and a strip of the other
/// factor are what the registers hold.
#[inline(always)]
fn add_products<I: Instructions, T: Real, const N: usize>(
    rows: [&[Unit<T>; N]; FOUR],
    other: &[Lanes<T>; N],
    mut sums: [Half<T>; FOUR],
) -> [Half<T>; FOUR] {
    for n in 0..N {
        let (other, _) = other[n].as_chunks::<{ LANES / 2 }>();
        for (half, other) in other.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(rows) {
                let (row, _) = row[n].0.as_chunks::<{ LANES / 2 }>();
                for lane in 0..LANES / 2 {
                    sum[lane] = I::multiply_add(row[half][lane], other[lane], sum[lane]);
                }
            }
        }
    }
    sums
}

impl<T: Real> Loop for ToHidden<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        by_shape!(self.strip.rows, self.strip.units, self.edges::<I>());
    }
}

/// `z[m_out, c] = sum over m_in of K[m_out, m_in] x[m_in, c]`, edge by edge.
struct Couple<'a, T> {
    job: Job<'a, T>,
    group: &'a Group<'a, T>,
    path: &'a PathProgram<T>,
    span: &'a Span,
    entries: &'a mut [Lanes<T>],
    z: &'a mut [T],
}

impl<T: Real> Loop for Couple<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (path, slots) = (self.path, self.path.slots.len());
        let (mul, columns) = (self.group.input.mul, self.group.input.columns());
        let runs = self.span.runs.clone();
        for (run, entries) in runs.zip(self.entries.chunks_exact_mut(slots.max(1))) {
            kernel_entries::<I, T>(path, self.job.y.run(run), entries);
        }
        let edges = self.span.edges.clone().enumerate();
        let all_z = self.z.chunks_exact_mut(self.group.coupled_len());
        for ((at, edge), z) in edges.zip(all_z) {
            let x = &self.job.convolution.features_of(edge)[columns.clone()];
            let entries = &self.entries[at / LANES * slots..][..slots];
            for (z, of_m) in z.chunks_exact_mut(mul).zip(&path.by_m_out) {
                let terms = Terms {
                    slots: &path.slots[of_m.clone()],
                    entries: &entries[of_m.clone()],
                    lane: at % LANES,
                    x,
                    mul,
                };
                terms.sum_all::<I>(z);
            }
        }
    }
}

/// What one component `m_out` of an edge is a sum of.
struct Terms<'a, T> {
    slots: &'a [Slot],
    entries: &'a [Lanes<T>],
    lane: usize,
    /// `[m_in, c]`
    x: &'a [T],
    mul: usize,
}

impl<T: Real> Terms<'_, T> {
    #[inline(always)]
    fn sum_all<I: Instructions>(&self, z: &mut [T]) {
        let mut c = 0;
        while c + 2 * LANES <= self.mul {
            self.sum::<I, 2>(c, z);
            c += 2 * LANES;
        }
        if c + LANES <= self.mul {
            self.sum::<I, 1>(c, z);
            c += LANES;
        }
        for (c, z) in z.iter_mut().enumerate().skip(c) {
            let terms = self.slots.iter().zip(self.entries);
            *z = terms.fold(T::ZERO, |sum, (slot, entry)| {
                I::multiply_add(self.x[slot.m_in * self.mul + c], entry[self.lane], sum)
            });
        }
    }

    /// Channels from `c` on, in U units.
    #[inline(always)]
    fn sum<I: Instructions, const U: usize>(&self, c: usize, z: &mut [T]) {
        let mut sums = [[T::ZERO; LANES]; U];
        for (slot, entry) in self.slots.iter().zip(self.entries) {
            let (x, _) = self.x[slot.m_in * self.mul + c..][..U * LANES].as_chunks::<LANES>();
            for u in 0..U {
                sums[u] = scaled_add::<I, T>(&x[u], entry[self.lane], &sums[u]);
            }
        }
        let (z, _) = z[c..][..U * LANES].as_chunks_mut::<LANES>();
        z.copy_from_slice(&sums);
    }
}

/// The transposes of [`Couple`].
struct CoupleBackward<'a, T> {
    job: Job<'a, T>,
    group: &'a Group<'a, T>,
    path: &'a PathProgram<T>,
    span: &'a Span,
    entries: &'a [Lanes<T>],
    to_z: &'a [T],
    to_x: Option<&'a mut [T]>,
    to_y: Option<&'a mut [T]>,
}

impl<T: Real> Loop for CoupleBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(mut self) {
        let (path, slots) = (self.path, self.path.slots.len());
        let (mul, columns) = (self.group.input.mul, self.group.input.columns());
        let convolution = self.job.convolution;
        let edges = self.span.edges.clone().enumerate();
        let all_z = self.to_z.chunks_exact(self.group.coupled_len());
        for ((at, edge), to_z) in edges.zip(all_z) {
            let entries = &self.entries[at / LANES * slots..][..slots];
            if let Some(to_x) = self.to_x.as_deref_mut() {
                let to_x = &mut to_x[at * convolution.dim_in()..][columns.clone()];
                for (slot, entry) in path.slots.iter().zip(entries) {
                    let to_x = &mut to_x[slot.m_in * mul..][..mul];
                    let to_z = &to_z[slot.m_out * mul..][..mul];
                    add_scaled::<I, T>(to_x, entry[at % LANES], to_z);
                }
            }
            if let Some(to_y) = self.to_y.as_deref_mut() {
                let to_y = &mut to_y[at * convolution.harmonics_width..];
                let x = &convolution.features_of(edge)[columns.clone()];
                for slot in &path.slots {
                    let x = &x[slot.m_in * mul..][..mul];
                    let sum = dot::<I, T>(x, &to_z[slot.m_out * mul..][..mul]);
                    for &(harmonic, value) in &path.terms[slot.terms.clone()] {
                        to_y[harmonic] = I::multiply_add(sum, value, to_y[harmonic]);
                    }
                }
            }
        }
    }
}

/// `y += a x`
#[inline(always)]
fn add_scaled<I: Instructions, T: Real>(y: &mut [T], a: T, x: &[T]) {
    let ((y, more_y), (x, more_x)) = (y.as_chunks_mut::<LANES>(), x.as_chunks::<LANES>());
    for (y, x) in y.iter_mut().zip(x) {
        *y = scaled_add::<I, T>(x, a, y);
    }
    for (y, &x) in more_y.iter_mut().zip(more_x) {
        *y = I::multiply_add(x, a, *y);
    }
}

#[inline(always)]
fn dot<I: Instructions, T: Real>(a: &[T], b: &[T]) -> T {
    let ((a, more_a), (b, more_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for (a, b) in a.iter().zip(b) {
        sums = multiply_add::<I, T>(a, b, &sums);
    }
    let rest = more_a.iter().zip(more_b);
    let rest = rest.fold(T::ZERO, |sum, (&a, &b)| I::multiply_add(a, b, sum));
    sums.iter().fold(rest, |sum, &more| sum + more)
}
