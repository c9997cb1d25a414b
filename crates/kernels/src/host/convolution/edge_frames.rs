//! The order in the frames of the edges (SO(2) or eSCN convolution): features are rotated into the frame of
//! their edge, where the kernel joins m with m and -m only, and the messages are rotated back. A radial
//! weight then costs two multiply-adds instead of `2 l_out + 1`, and nothing is coupled.
//!
//! # Source
//! S. Passaro and C. L. Zitnick, Reducing SO(3) convolutions to SO(2), arXiv:2302.03655. There the network
//! learns the entries in the frame; here they follow from the weights of the paths.

use steerable_harmonics::plan::Block;

use super::apply::{Applied, Strided, apply, apply_backward};
use super::frame_layer::{FoldedLayer, Joint};
use super::frames::{FRAME, Frame, Frames};
use super::lanes::{LANES, Lanes, Packed, add};
use super::last_layer::WeightGradient;
use super::program::{Group, Order, Program};
use super::radial_weights::{RUNS, RadialWeights, Slab, Span};
use super::tiles::Tile;
use super::turns::{Degree, Scaling, Turns, place};
use super::{Convolution, Wanted};
use crate::host::real::Real;
use crate::host::simd::{Instructions, Loop, dispatch};

/// What all threads share.
pub(super) struct Framing<T> {
    frames: Frames<T>,
    degrees: Vec<Degree<T>>,
    pub(super) layer: FoldedLayer<T>,
    /// Blocks that the groups read and write, each once.
    inputs: Vec<Block>,
    outputs: Vec<Block>,
}

impl<T: Real> Framing<T> {
    /// `None` where too many edges have no frame.
    pub(super) fn new(
        convolution: &Convolution<'_, T>,
        groups: &mut [Group<'_, T>],
    ) -> Option<Self> {
        let frames = Frames::of(convolution)?;
        let in_frames = || {
            groups
                .iter()
                .filter(|group| group.order == Order::EdgeFrames)
        };
        let inputs = distinct(in_frames().map(|group| group.input));
        let members = in_frames().flat_map(|group| &group.members);
        let outputs = distinct(members.map(|pair| pair.output));
        let blocks = inputs.iter().chain(&outputs);
        let l_max = blocks.map(|block| block.l).max().unwrap_or(0);
        let in_frames = groups
            .iter_mut()
            .filter(|group| group.order == Order::EdgeFrames);
        let layer = FoldedLayer::new(convolution.layer(), in_frames, |l| frames.length(l));
        Some(Self {
            frames,
            degrees: Degree::all(l_max),
            layer,
            inputs,
            outputs,
        })
    }

    /// The edges that have no frame, ascending.
    pub(super) fn edges_without(&self) -> &[usize] {
        &self.frames.without
    }

    fn blocks(&self, side: Side) -> &[Block] {
        match side {
            Side::Input => &self.inputs,
            Side::Output => &self.outputs,
        }
    }
}

fn distinct(blocks: impl Iterator<Item = Block>) -> Vec<Block> {
    let mut out = Vec::new();
    for block in blocks {
        if !out.contains(&block) {
            out.push(block);
        }
    }
    out
}

/// Whose blocks are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

/// Buffers of one thread, for one span.
pub(super) struct EdgeFrames<T> {
    radial: RadialWeights<T>,
    frames: Packed<T>,
    turns: Turns<T>,
    /// Features of the sources in the frames, scaled, and the gradient to them.
    x: Packed<T>,
    to_x: Packed<T>,
    /// Messages in the frames, or the gradient to them.
    messages: Packed<T>,
    /// Components that are joined crosswise, with their signs.
    crossed: Vec<Lanes<T>>,
    to_crossed: Vec<Lanes<T>>,
}

/// One tile at work.
#[derive(Clone, Copy)]
pub(super) struct Job<'a, T> {
    pub(super) convolution: &'a Convolution<'a, T>,
    pub(super) program: &'a Program<'a, T>,
    pub(super) framing: &'a Framing<T>,
    pub(super) tile: &'a Tile,
}

impl<T: Real> EdgeFrames<T> {
    pub(super) fn new(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        framing: &Framing<T>,
        backward: bool,
    ) -> Self {
        let blocks = || framing.inputs.iter().chain(&framing.outputs);
        let l_max = blocks().map(|block| block.l).max().unwrap_or(0);
        let widest = blocks().map(Block::dim).max().unwrap_or(0);
        let channels = framing.inputs.iter().map(|block| block.mul).max();
        let (dim_in, dim_out) = (convolution.dim_in(), convolution.dim_out());
        let crossed = vec![[T::ZERO; LANES]; 2 * channels.unwrap_or(0)];
        Self {
            radial: RadialWeights::new(
                program.groups_in(Order::EdgeFrames),
                convolution.hidden_width,
                backward,
            ),
            frames: Packed::new(RUNS, FRAME),
            turns: Turns::new(l_max, widest),
            x: Packed::new(RUNS, dim_in),
            to_x: Packed::new(if backward { RUNS } else { 0 }, dim_in),
            messages: Packed::new(RUNS, dim_out),
            to_crossed: crossed.clone(),
            crossed,
        }
    }

    /// Adds the messages of the edges of a tile.
    pub(super) fn forward(&mut self, job: Job<'_, T>, x: &Packed<T>, messages: &mut Packed<T>) {
        for span in Span::all(job.tile) {
            self.load(job, &span, x);
            self.messages.clear(RUNS);
            for group in job.program.groups_in(Order::EdgeFrames) {
                for slab in span.slabs(group) {
                    let layer = job.framing.layer.layer();
                    self.radial.form(job.convolution, layer, group, &slab);
                    for run in 0..span.runs.len() {
                        let (group, slab) = (group, &slab);
                        dispatch(Forward {
                            buffers: self,
                            group,
                            slab,
                            run,
                        });
                    }
                }
            }
            for (run, to) in span.runs.clone().enumerate() {
                dispatch(Leave {
                    framing: job.framing,
                    turns: &mut self.turns,
                    frames: self.frames.run(run),
                    turn: (Side::Output, Scaling::Unscaled),
                    from: self.messages.run(run),
                    to: messages.run_mut(to),
                });
            }
        }
    }

    /// Adds the gradients of a tile, given the gradient to its messages: to the features of its edges,
    /// to their hidden features, and to the columns of the folded layer.
    pub(super) fn backward(
        &mut self,
        job: Job<'_, T>,
        (x, grad): (&Packed<T>, &Packed<T>),
        wanted: Wanted,
        (to_x, to_hidden): (&mut Packed<T>, &mut [T]),
        to_weight: &mut WeightGradient<T>,
    ) {
        let layer = job.framing.layer.layer();
        for span in Span::all(job.tile) {
            self.load(job, &span, x);
            self.to_x.clear(RUNS);
            for (run, from) in span.runs.clone().enumerate() {
                dispatch(Enter {
                    framing: job.framing,
                    turns: &mut self.turns,
                    frames: self.frames.run(run),
                    turn: (Side::Output, Scaling::Unscaled),
                    from: grad.run(from),
                    to: self.messages.run_mut(run),
                });
            }
            for group in job.program.groups_in(Order::EdgeFrames) {
                for slab in span.slabs(group) {
                    self.radial.form(job.convolution, layer, group, &slab);
                    for run in 0..span.runs.len() {
                        let (group, slab) = (group, &slab);
                        dispatch(Backward {
                            buffers: self,
                            group,
                            slab,
                            run,
                        });
                    }
                    let hidden = (job.tile, &mut *to_hidden);
                    let work = (group, &slab);
                    self.radial
                        .backward(job.convolution, layer, work, wanted, hidden, to_weight);
                }
            }
            if !wanted.features {
                continue;
            }
            for (run, to) in span.runs.clone().enumerate() {
                dispatch(Leave {
                    framing: job.framing,
                    turns: &mut self.turns,
                    frames: self.frames.run(run),
                    turn: (Side::Input, Scaling::Scaled),
                    from: self.to_x.run(run),
                    to: to_x.run_mut(to),
                });
            }
        }
    }

    /// Takes the frames of a span's edges and rotates the features of their sources.
    fn load(&mut self, job: Job<'_, T>, span: &Span, x: &Packed<T>) {
        let frames = &job.framing.frames.of_edges[span.edges.clone()];
        let rows: Vec<_> = frames.iter().map(Frame::numbers).collect();
        self.frames.load(rows.iter().map(<[T; FRAME]>::as_slice));
        for (run, from) in span.runs.clone().enumerate() {
            dispatch(Enter {
                framing: job.framing,
                turns: &mut self.turns,
                frames: self.frames.run(run),
                turn: (Side::Input, Scaling::Scaled),
                from: x.run(from),
                to: self.x.run_mut(run),
            });
        }
    }
}

/// Rotates the blocks of one run into its frames.
struct Enter<'a, T> {
    framing: &'a Framing<T>,
    turns: &'a mut Turns<T>,
    frames: &'a [Lanes<T>],
    turn: (Side, Scaling),
    from: &'a [Lanes<T>],
    to: &'a mut [Lanes<T>],
}

impl<T: Real> Loop for Enter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (side, scaling) = self.turn;
        self.turns.load::<I>(self.frames);
        for &block in self.framing.blocks(side) {
            let at = (&self.framing.degrees[block.l], block);
            let (from, to) = (&self.from[block.columns()], &mut self.to[block.columns()]);
            self.turns.enter::<I>(at, scaling, from, to);
        }
    }
}

/// Rotates the blocks of one run out of its frames, and adds them.
struct Leave<'a, T> {
    framing: &'a Framing<T>,
    turns: &'a mut Turns<T>,
    frames: &'a [Lanes<T>],
    turn: (Side, Scaling),
    from: &'a [Lanes<T>],
    to: &'a mut [Lanes<T>],
}

impl<T: Real> Loop for Leave<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (side, scaling) = self.turn;
        self.turns.load::<I>(self.frames);
        for &block in self.framing.blocks(side) {
            let at = (&self.framing.degrees[block.l], block);
            let (from, to) = (&self.from[block.columns()], &mut self.to[block.columns()]);
            self.turns.leave::<I>(at, scaling, from, to);
        }
    }
}

/// One run of edges through the joints of a slab.
struct Forward<'a, T> {
    buffers: &'a mut EdgeFrames<T>,
    group: &'a Group<'a, T>,
    slab: &'a Slab,
    run: usize,
}

impl<T: Real> Loop for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (group, slab, run) = (self.group, self.slab, self.run);
        let EdgeFrames {
            radial,
            x,
            messages,
            crossed,
            ..
        } = self.buffers;
        let mul = group.input.mul;
        let x = &x.run(run)[group.input.columns()];
        let messages = messages.run_mut(run);
        for (index, &joint) in group.frame.joints[slab.parts.clone()].iter().enumerate() {
            let (m, z) = joined(joint, x, mul, crossed);
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let radial = Strided {
                    radial: &radial.formed[(first + index * mul * channels) * RUNS..],
                    run,
                };
                let out = &mut messages[pair.output.columns()][place(m) * channels..];
                match m {
                    0 => apply::<I, T, 1>(z, radial, (mul, channels), out),
                    _ => apply::<I, T, 2>(z, radial, (mul, channels), out),
                }
                first += mul * channels * slab.parts.len();
            }
        }
    }
}

/// The transposes of [`Forward`].
struct Backward<'a, T> {
    buffers: &'a mut EdgeFrames<T>,
    group: &'a Group<'a, T>,
    slab: &'a Slab,
    run: usize,
}

impl<T: Real> Loop for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let (group, slab, run) = (self.group, self.slab, self.run);
        let EdgeFrames {
            radial,
            x,
            to_x,
            messages: grad,
            crossed,
            to_crossed,
            ..
        } = self.buffers;
        let mul = group.input.mul;
        let x = &x.run(run)[group.input.columns()];
        let to_x = &mut to_x.run_mut(run)[group.input.columns()];
        let grad = grad.run(run);
        for (index, &joint) in group.frame.joints[slab.parts.clone()].iter().enumerate() {
            let (m, z) = joined(joint, x, mul, crossed);
            let to_z = match joint {
                Joint::Straight(_) => &mut to_x[place(m) * mul..],
                Joint::Crossed(_) => {
                    to_crossed.fill([T::ZERO; LANES]);
                    &mut to_crossed[..]
                }
            };
            let mut first = 0;
            for pair in &group.members {
                let channels = pair.output.mul;
                let at = (first + index * mul * channels) * RUNS;
                let applied = Applied {
                    z,
                    radial: Strided {
                        radial: &radial.formed[at..],
                        run,
                    },
                    grad: &grad[pair.output.columns()][place(m) * channels..],
                    is_first: true,
                };
                let to_radial = &mut radial.gradient[at..];
                match m {
                    0 => apply_backward::<I, T, 1>(applied, (mul, channels), to_z, to_radial),
                    _ => apply_backward::<I, T, 2>(applied, (mul, channels), to_z, to_radial),
                }
                first += mul * channels * slab.parts.len();
            }
            if let Joint::Crossed(_) = joint {
                let (plus, minus) = to_x[place(m) * mul..(place(m) + 2) * mul].split_at_mut(mul);
                let (to_minus, to_plus) = to_crossed.split_at(mul);
                for c in 0..mul {
                    minus[c] = add(&minus[c], &to_minus[c]);
                    plus[c] = add(&plus[c], &negative(&to_plus[c]));
                }
            }
        }
    }
}

/// The components that a joint brings to m and, for m > 0, to -m: `[.., c_in]`.
#[inline(always)]
fn joined<'a, T: Real>(
    joint: Joint,
    x: &'a [Lanes<T>],
    mul: usize,
    crossed: &'a mut [Lanes<T>],
) -> (usize, &'a [Lanes<T>]) {
    match joint {
        Joint::Straight(m) => (m, &x[place(m) * mul..]),
        Joint::Crossed(m) => {
            let (plus, minus) = x[place(m) * mul..(place(m) + 2) * mul].split_at(mul);
            crossed[..mul].copy_from_slice(minus);
            for (to, from) in crossed[mul..].iter_mut().zip(plus) {
                *to = negative(from);
            }
            (m, crossed)
        }
    }
}

#[inline(always)]
fn negative<T: Real>(x: &Lanes<T>) -> Lanes<T> {
    x.map(|value| T::ZERO - value)
}
