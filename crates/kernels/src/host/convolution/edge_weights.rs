//! The order that forms the radial weights of each edge and applies them to its coupled features:
//! `out[m, c_out] += z[m, c_in] R[c_in, c_out]`.

use super::apply::{Applied, Strided, apply, apply_backward, for_components};
use super::couple::{Sources, couple, couple_backward};
use super::gradients::TileGradients;
use super::lanes::{LANES, Lanes, Packed};
use super::last_layer::Layer;
use super::program::Group;
use super::radial_weights::{RUNS, RadialWeights, Slab, Span};
use super::tiles::Tile;
use super::{Convolution, Wanted};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, dispatch};

/// Buffers of one thread.
pub(crate) struct EdgeWeights<T> {
    radial: RadialWeights<T>,
    z: Vec<Lanes<T>>,
    to_z: Vec<Lanes<T>>,
    entries: Vec<Lanes<T>>,
}

impl<T: Real> EdgeWeights<T> {
    pub(crate) fn new<'g>(
        groups: impl Iterator<Item = &'g Group<'g, T>> + Clone,
        hidden: usize,
        backward: bool,
    ) -> Self
    where
        T: 'g,
    {
        let coupled = groups.clone().map(Group::coupled_len).max().unwrap_or(0);
        let slots = groups.clone().map(Group::most_slots).max().unwrap_or(0);
        let zeros = |len: usize| vec![[T::ZERO; LANES]; len];
        Self {
            radial: RadialWeights::new(groups, hidden, backward),
            z: zeros(coupled),
            to_z: zeros(if backward { coupled } else { 0 }),
            entries: zeros(slots),
        }
    }

    /// Adds the messages of a group for the edges of a tile.
    pub(crate) fn forward(
        &mut self,
        (convolution, layer): (&Convolution<'_, T>, Layer<'_, T>),
        group: &Group<'_, T>,
        tile: &Tile,
        x: &Packed<T>,
        y: &Packed<T>,
        messages: &mut Packed<T>,
    ) {
        for span in Span::all(tile) {
            for slab in span.slabs(group) {
                self.radial.form(convolution, layer, group, &slab);
                for run in span.runs.clone() {
                    dispatch(Forward {
                        buffers: self,
                        group,
                        slab: &slab,
                        run,
                        x: x.run(run),
                        y: y.run(run),
                        messages: messages.run_mut(run),
                    });
                }
            }
        }
    }

    /// Adds the gradients of a group for the edges of a tile, given the gradient to their messages.
    pub(crate) fn backward(
        &mut self,
        (convolution, layer): (&Convolution<'_, T>, Layer<'_, T>),
        group: &Group<'_, T>,
        tile: &Tile,
        (x, y, grad): (&Packed<T>, &Packed<T>, &Packed<T>),
        wanted: Wanted,
        gradients: &mut TileGradients<'_, T>,
    ) {
        for span in Span::all(tile) {
            for slab in span.slabs(group) {
                self.radial.form(convolution, layer, group, &slab);
                for run in span.runs.clone() {
                    dispatch(Backward {
                        buffers: self,
                        group,
                        slab: &slab,
                        run,
                        x: x.run(run),
                        y: y.run(run),
                        grad: grad.run(run),
                        to_x: wanted.features.then(|| gradients.x.run_mut(run)),
                        to_y: wanted.harmonics.then(|| gradients.y.run_mut(run)),
                    });
                }
                let to_hidden = (tile, &mut *gradients.hidden);
                let to_weight = &mut *gradients.weight;
                let job = (group, &slab);
                self.radial
                    .backward(convolution, layer, job, wanted, to_hidden, to_weight);
            }
        }
    }
}

/// One run of edges through the paths of a slab.
struct Forward<'a, T> {
    buffers: &'a mut EdgeWeights<T>,
    group: &'a Group<'a, T>,
    slab: &'a Slab,
    run: usize,
    x: &'a [Lanes<T>],
    y: &'a [Lanes<T>],
    messages: &'a mut [Lanes<T>],
}

impl<T: Real> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let EdgeWeights {
            radial, z, entries, ..
        } = self.buffers;
        let radial = &radial.formed;
        let (group, slab) = (self.group, self.slab);
        let (mul, run) = (group.input.mul, self.run - slab.span.runs.start);
        let sources = Sources {
            x: &self.x[group.input.columns()],
            y: self.y,
            mul,
        };
        let z = &mut z[..group.coupled_len()];
        for (index, path) in group.paths[slab.parts.clone()].iter().enumerate() {
            couple::<I, T>(path, sources, entries, z, 1);
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let radial = &radial[(first + index * mul * channels) * RUNS..];
                let out = &mut self.messages[pair.output.columns()];
                for_components!(
                    group.components,
                    m,
                    apply::<I, T>(
                        &z[m * mul..],
                        Strided { radial, run },
                        (mul, channels),
                        &mut out[m * channels..],
                    )
                );
                first += mul * channels * slab.parts.len();
            }
        }
    }
}

/// The transposes of [`Forward`].
struct Backward<'a, T> {
    buffers: &'a mut EdgeWeights<T>,
    group: &'a Group<'a, T>,
    slab: &'a Slab,
    run: usize,
    x: &'a [Lanes<T>],
    y: &'a [Lanes<T>],
    grad: &'a [Lanes<T>],
    to_x: Option<&'a mut [Lanes<T>]>,
    to_y: Option<&'a mut [Lanes<T>]>,
}

impl<T: Real> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let EdgeWeights {
            radial,
            z,
            to_z,
            entries,
        } = self.buffers;
        let (radial, to_radial) = (&radial.formed, &mut radial.gradient);
        let (group, slab) = (self.group, self.slab);
        let (mul, run) = (group.input.mul, self.run - slab.span.runs.start);
        let columns = group.input.columns();
        let sources = Sources {
            x: &self.x[columns.clone()],
            y: self.y,
            mul,
        };
        let (mut to_x, mut to_y) = (self.to_x, self.to_y);
        let (z, to_z) = (
            &mut z[..group.coupled_len()],
            &mut to_z[..group.coupled_len()],
        );
        for (index, path) in group.paths[slab.parts.clone()].iter().enumerate() {
            couple::<I, T>(path, sources, entries, z, 1);
            to_z.fill([T::ZERO; LANES]);
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let at = (first + index * mul * channels) * RUNS;
                let radial = Strided {
                    radial: &radial[at..],
                    run,
                };
                let to_radial = &mut to_radial[at..];
                let grad = &self.grad[pair.output.columns()];
                for_components!(
                    group.components,
                    m,
                    apply_backward::<I, T>(
                        Applied {
                            z: &z[m * mul..],
                            radial,
                            grad: &grad[m * channels..],
                            is_first: m == 0,
                        },
                        (mul, channels),
                        &mut to_z[m * mul..],
                        to_radial,
                    )
                );
                first += mul * channels * slab.parts.len();
            }
            let to_x = to_x.as_deref_mut().map(|to_x| &mut to_x[columns.clone()]);
            couple_backward::<I, T>(path, sources, entries, to_z, 1, to_x, to_y.as_deref_mut());
        }
    }
}
