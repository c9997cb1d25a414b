//! The inner loops of the convolution, over sixteen edges at a time.
//!
//! Edges lie side by side in the lanes of SIMD registers, so every loop is full whatever the number of
//! channels, and no sum crosses lanes.

use steerable_harmonics::plan::{Pair, Path, Weighting};

use super::real::Real;

/// Edges side by side.
pub(crate) const LANES: usize = 16;

/// One number for each of sixteen edges.
pub(crate) type Lanes<T> = [T; LANES];

/// `to += a b`, edge by edge.
#[inline(always)]
fn add_product<T: Real>(to: &mut Lanes<T>, a: &Lanes<T>, b: &Lanes<T>) {
    for lane in 0..LANES {
        to[lane] += a[lane] * b[lane];
    }
}

/// `a b`, edge by edge.
#[inline(always)]
fn scaled<T: Real>(scale: T, a: &Lanes<T>) -> Lanes<T> {
    std::array::from_fn(|lane| scale * a[lane])
}

/// Radial weights of one pair for sixteen edges of a tile: every `stride`-th entry is theirs.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a, T> {
    pub(crate) lanes: &'a [Lanes<T>],
    pub(crate) stride: usize,
    pub(crate) first: usize,
}

impl<T> Weights<'_, T> {
    #[inline(always)]
    fn at(&self, column: usize) -> &Lanes<T> {
        &self.lanes[column * self.stride + self.first]
    }
}

/// The gradient to [`Weights`].
pub(crate) struct WeightsMut<'a, T> {
    pub(crate) lanes: &'a mut [Lanes<T>],
    pub(crate) stride: usize,
    pub(crate) first: usize,
}

impl<T> WeightsMut<'_, T> {
    #[inline(always)]
    fn at(&mut self, column: usize) -> &mut Lanes<T> {
        &mut self.lanes[column * self.stride + self.first]
    }
}

/// Length of a pair's coupled features: `[path, c_in, m_out]`.
pub(crate) fn coupled_len(pair: &Pair) -> usize {
    (2 * pair.output.l + 1) * pair.paths.len() * pair.input.mul
}

/// The kernel entries of a path, `value Y`, term by term.
#[inline(always)]
fn kernel<T: Real>(path: &Path, y: &[Lanes<T>], kernel: &mut Vec<Lanes<T>>) {
    kernel.clear();
    kernel.extend(
        path.terms
            .iter()
            .map(|term| scaled(T::of(term.value), &y[term.harmonic])),
    );
}

/// `coupled[path, c, m_out] = sum over terms of value Y x[m_in, c]`.
#[inline(always)]
pub(crate) fn couple<T: Real>(
    pair: &Pair,
    x: &[Lanes<T>],
    y: &[Lanes<T>],
    coupled: &mut [Lanes<T>],
    entries: &mut Vec<Lanes<T>>,
) {
    let (mul, components) = (pair.input.mul, 2 * pair.output.l + 1);
    let x = &x[pair.input.columns()];
    for (p, path) in pair.paths.iter().enumerate() {
        kernel(path, y, entries);
        let mut first = 0;
        for m in 0..components {
            let count = path.terms[first..]
                .iter()
                .take_while(|term| term.m_out == m)
                .count();
            let terms = &path.terms[first..first + count];
            let entries = &entries[first..first + count];
            for c in 0..mul {
                let mut sum = [T::ZERO; LANES];
                for (term, entry) in terms.iter().zip(entries) {
                    add_product(&mut sum, entry, &x[term.m_in * mul + c]);
                }
                coupled[(p * mul + c) * components + m] = sum;
            }
            first += count;
        }
    }
}

/// The transposes of [`couple`]: adds to the gradients of x and of y.
#[inline(always)]
pub(crate) fn couple_backward<T: Real>(
    pair: &Pair,
    x: &[Lanes<T>],
    y: &[Lanes<T>],
    coupled_gradient: &[Lanes<T>],
    to_x: Option<&mut [Lanes<T>]>,
    to_y: Option<&mut [Lanes<T>]>,
) {
    let (mul, components) = (pair.input.mul, 2 * pair.output.l + 1);
    let columns = pair.input.columns();
    if let Some(to_x) = to_x {
        let to_x = &mut to_x[columns.clone()];
        for (p, path) in pair.paths.iter().enumerate() {
            for term in &path.terms {
                let entry = scaled(T::of(term.value), &y[term.harmonic]);
                for c in 0..mul {
                    let gradient = &coupled_gradient[(p * mul + c) * components + term.m_out];
                    add_product(&mut to_x[term.m_in * mul + c], &entry, gradient);
                }
            }
        }
    }
    if let Some(to_y) = to_y {
        let x = &x[columns];
        for (p, path) in pair.paths.iter().enumerate() {
            for term in &path.terms {
                let mut sum = [T::ZERO; LANES];
                for c in 0..mul {
                    let gradient = &coupled_gradient[(p * mul + c) * components + term.m_out];
                    add_product(&mut sum, &x[term.m_in * mul + c], gradient);
                }
                let value = T::of(term.value);
                for (to, sum) in to_y[term.harmonic].iter_mut().zip(sum) {
                    *to += value * sum;
                }
            }
        }
    }
}

/// Calls a function with the number of components `2l + 1` as a constant, so that one sum for each
/// component stays in registers; high degrees take the last arm.
macro_rules! with_components {
    ($components:expr, $function:ident($($argument:expr),*)) => {
        match $components {
            1 => $function::<T, 1>($($argument),*),
            3 => $function::<T, 3>($($argument),*),
            5 => $function::<T, 5>($($argument),*),
            7 => $function::<T, 7>($($argument),*),
            9 => $function::<T, 9>($($argument),*),
            _ => $function::<T, 0>($($argument),*),
        }
    };
}

/// `out[m_out, c_out] += sum over k of coupled[k, m_out] weights[k, c_out]`, k over (path, c_in).
#[inline(always)]
pub(crate) fn apply<T: Real>(
    weighting: Weighting,
    pair: &Pair,
    coupled: &[Lanes<T>],
    weights: Weights<'_, T>,
    out: &mut [Lanes<T>],
) {
    let components = 2 * pair.output.l + 1;
    let out = &mut out[pair.output.columns()];
    match weighting {
        Weighting::Full => with_components!(components, apply_full(pair, coupled, weights, out)),
        Weighting::ChannelWise => {
            let mul = pair.output.mul;
            for c in 0..mul {
                for m in 0..components {
                    add_product(
                        &mut out[m * mul + c],
                        &coupled[c * components + m],
                        weights.at(c),
                    );
                }
            }
        }
    }
}

#[inline(always)]
fn apply_full<T: Real, const M: usize>(
    pair: &Pair,
    coupled: &[Lanes<T>],
    weights: Weights<'_, T>,
    out: &mut [Lanes<T>],
) {
    let (mul, components) = (pair.output.mul, 2 * pair.output.l + 1);
    for c in 0..mul {
        if M == 0 {
            for (k, coupled) in coupled.chunks_exact(components).enumerate() {
                let weight = weights.at(k * mul + c);
                for (m, coupled) in coupled.iter().enumerate() {
                    add_product(&mut out[m * mul + c], coupled, weight);
                }
            }
        } else {
            let mut sums = [[T::ZERO; LANES]; M];
            for (k, coupled) in coupled.as_chunks::<M>().0.iter().enumerate() {
                let weight = weights.at(k * mul + c);
                for m in 0..M {
                    add_product(&mut sums[m], &coupled[m], weight);
                }
            }
            for m in 0..M {
                for lane in 0..LANES {
                    out[m * mul + c][lane] += sums[m][lane];
                }
            }
        }
    }
}

/// What the transposes of [`apply`] read.
#[derive(Clone, Copy)]
pub(crate) struct Applied<'a, T> {
    pub(crate) coupled: &'a [Lanes<T>],
    pub(crate) weights: Weights<'a, T>,
    /// Gradient to the whole output row.
    pub(crate) grad: &'a [Lanes<T>],
}

/// The transposes of [`apply`]: sets the gradients to coupled features and weights.
#[inline(always)]
pub(crate) fn apply_backward<T: Real>(
    weighting: Weighting,
    pair: &Pair,
    applied: Applied<'_, T>,
    to_coupled: &mut [Lanes<T>],
    mut to_weights: WeightsMut<'_, T>,
) {
    let components = 2 * pair.output.l + 1;
    let applied = Applied {
        grad: &applied.grad[pair.output.columns()],
        ..applied
    };
    match weighting {
        Weighting::Full => {
            with_components!(
                components,
                full_backward(pair, applied, to_coupled, to_weights)
            );
        }
        Weighting::ChannelWise => {
            let mul = pair.output.mul;
            for c in 0..mul {
                let mut sum = [T::ZERO; LANES];
                for m in 0..components {
                    let (grad, at) = (&applied.grad[m * mul + c], c * components + m);
                    add_product(&mut sum, &applied.coupled[at], grad);
                    to_coupled[at] = [T::ZERO; LANES];
                    add_product(&mut to_coupled[at], applied.weights.at(c), grad);
                }
                *to_weights.at(c) = sum;
            }
        }
    }
}

#[inline(always)]
fn full_backward<T: Real, const M: usize>(
    pair: &Pair,
    Applied {
        coupled,
        weights,
        grad,
    }: Applied<'_, T>,
    to_coupled: &mut [Lanes<T>],
    mut to_weights: WeightsMut<'_, T>,
) {
    let (mul, components) = (pair.output.mul, 2 * pair.output.l + 1);
    if M == 0 {
        to_coupled.fill([T::ZERO; LANES]);
        let rows = coupled
            .chunks_exact(components)
            .zip(to_coupled.chunks_exact_mut(components));
        for (k, (coupled, to_coupled)) in rows.enumerate() {
            for c in 0..mul {
                let weight = weights.at(k * mul + c);
                let mut sum = [T::ZERO; LANES];
                for m in 0..components {
                    let grad = &grad[m * mul + c];
                    add_product(&mut sum, &coupled[m], grad);
                    add_product(&mut to_coupled[m], weight, grad);
                }
                *to_weights.at(k * mul + c) = sum;
            }
        }
    } else {
        let rows = coupled
            .as_chunks::<M>()
            .0
            .iter()
            .zip(to_coupled.as_chunks_mut::<M>().0);
        for (k, (coupled, to_coupled)) in rows.enumerate() {
            let mut sums = [[T::ZERO; LANES]; M];
            for c in 0..mul {
                let weight = weights.at(k * mul + c);
                let mut sum = [T::ZERO; LANES];
                for m in 0..M {
                    let grad = &grad[m * mul + c];
                    add_product(&mut sum, &coupled[m], grad);
                    add_product(&mut sums[m], weight, grad);
                }
                *to_weights.at(k * mul + c) = sum;
            }
            *to_coupled = sums;
        }
    }
}
