//! Random and degenerate samples, and the transforms that are tried on them.

use std::fmt;
use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use steerable_irreps::{O3Element, Rotation};

use crate::precision::Precision;
use crate::sample::{Edge, Sample};
use crate::transform::{Permutation, Transform, Types};

/// Which sample: a numbered random one or a degenerate one.
///
/// Together with the seed it determines the sample completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleKind {
    /// A batch of three random graphs, by the number of the trial.
    Generic(usize),
    /// Geometry or features at which a formula divides by zero or a reduction has nothing to reduce.
    Degenerate(Degenerate),
}

/// The degenerate samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Degenerate {
    /// No graph, no node, no edge.
    Empty,
    /// A graph without nodes between two others.
    EmptyGraph,
    /// A single graph with a single node.
    OneNode,
    /// A batch of one graph.
    BatchOfOne,
    /// Two nodes at the same place, and a graph with all its nodes at the same place.
    Coincident,
    /// A graph on the polar axis (y), and a node with neighbours straight above and below it.
    PolarAxis,
    /// All nodes exactly on one line, unevenly spaced.
    Collinear,
    /// A node without edges, 32 [scales](crate::EquivarianceTest::scale) away from the others.
    IsolatedNode,
    /// All node and edge features zero.
    ZeroFeatures,
    /// All graphs 64 [scales](crate::EquivarianceTest::scale) from the origin.
    FarFromOrigin,
}

impl Degenerate {
    /// Every degenerate sample.
    pub const ALL: [Self; 10] = [
        Self::Empty,
        Self::EmptyGraph,
        Self::OneNode,
        Self::BatchOfOne,
        Self::Coincident,
        Self::PolarAxis,
        Self::Collinear,
        Self::IsolatedNode,
        Self::ZeroFeatures,
        Self::FarFromOrigin,
    ];
}

impl fmt::Display for SampleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generic(trial) => write!(f, "trial {trial}"),
            Self::Degenerate(degenerate) => f.write_str(match degenerate {
                Degenerate::Empty => "empty",
                Degenerate::EmptyGraph => "empty graph",
                Degenerate::OneNode => "one node",
                Degenerate::BatchOfOne => "batch of one",
                Degenerate::Coincident => "coincident",
                Degenerate::PolarAxis => "polar axis",
                Degenerate::Collinear => "collinear",
                Degenerate::IsolatedNode => "isolated node",
                Degenerate::ZeroFeatures => "zero features",
                Degenerate::FarFromOrigin => "far from origin",
            }),
        }
    }
}

/// The transforms that are tried on one sample.
#[derive(Clone, Debug)]
pub(crate) struct Trials {
    pub(crate) rotation: Transform,
    pub(crate) inversion: Transform,
    pub(crate) translation: Transform,
    pub(crate) far_translation: Transform,
    pub(crate) permutation: Transform,
}

/// Makes samples and transforms from a seed.
///
/// Positions and translations lie on a grid of spacing about `2^-12 scale` (f32) or `2^-30 scale`
/// (f64): every translated position is then exact in the model's precision, so that a translation
/// changes no difference of positions by even one bit.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    pub(crate) seed: u64,
    pub(crate) precision: Precision,
    pub(crate) scale: f64,
    pub(crate) nodes: RangeInclusive<usize>,
}

impl Generator {
    /// The sample of this kind.
    pub(crate) fn sample(&self, kind: SampleKind, types: &Types) -> Sample {
        let rng = &mut self.rng(kind, Stream::Sample);
        let graphs = self.graphs(rng, kind);
        let mut sample = Sample::default();
        for graph in graphs {
            let start = sample.num_nodes();
            let isolated = kind == SampleKind::Degenerate(Degenerate::IsolatedNode);
            let joined = graph.len() - usize::from(isolated);
            sample
                .edges
                .extend(random_edges(rng, start..start + joined));
            sample.graph_sizes.push(graph.len());
            sample.positions.extend(graph);
        }
        sample.features = self.normals(rng, sample.num_nodes() * types.irreps_in.dim());
        sample.edge_features = self.normals(rng, sample.edges.len() * types.irreps_edge.dim());
        if kind == SampleKind::Degenerate(Degenerate::ZeroFeatures) {
            sample.features.fill(0.0);
            sample.edge_features.fill(0.0);
        }
        sample
    }

    /// The transforms for the sample of this kind.
    pub(crate) fn trials(&self, kind: SampleKind, sample: &Sample) -> Trials {
        let rng = &mut self.rng(kind, Stream::Transforms);
        let rotation = Rotation::random(rng);
        let near = self.shift(rng, 4.0);
        let far = self.shift(rng, self.far_scales());
        Trials {
            rotation: Transform::Orthogonal(rotation.into()),
            inversion: Transform::Orthogonal(O3Element::INVERSION),
            translation: Transform::Translation(near),
            far_translation: Transform::Translation(far),
            permutation: Transform::Permutation(Permutation::random(rng, sample)),
        }
    }

    /// The size of the change made by [`Self::perturbed`], relative to `scale` or to 1.
    pub(crate) fn perturbation(&self) -> f64 {
        match self.precision {
            Precision::F32 => f64::powi(2.0, -10),
            Precision::F64 => f64::powi(2.0, -20),
        }
    }

    /// The sample with a small normal change of one kind of input.
    pub(crate) fn perturbed(&self, kind: SampleKind, sample: &Sample, part: InputPart) -> Sample {
        let rng = &mut self.rng(kind, Stream::Perturbation);
        let mut changed = sample.clone();
        let size = self.perturbation();
        let mut nudge = |value: &mut f64, size: f64| {
            *value = self.precision.round(*value + size * normal(rng));
        };
        match part {
            InputPart::Positions => {
                let coordinates = changed.positions.iter_mut().flatten();
                coordinates.for_each(|value| nudge(value, size * self.scale));
            }
            InputPart::Features => changed.features.iter_mut().for_each(|x| nudge(x, size)),
            InputPart::EdgeFeatures => {
                changed
                    .edge_features
                    .iter_mut()
                    .for_each(|x| nudge(x, size));
            }
        }
        changed
    }

    /// How many scales a far translation goes: as far as the grid stays exact with bits to spare.
    fn far_scales(&self) -> f64 {
        match self.precision {
            Precision::F32 => 256.0,
            Precision::F64 => 65_536.0,
        }
    }

    /// The positions of the nodes of each graph.
    fn graphs(&self, rng: &mut StdRng, kind: SampleKind) -> Vec<Vec<[f64; 3]>> {
        let SampleKind::Degenerate(degenerate) = kind else {
            return self.sizes(rng).map(|size| self.cloud(rng, size)).to_vec();
        };
        let [first, second, _] = self.sizes(rng);
        let generic = self.cloud(rng, first);
        match degenerate {
            Degenerate::Empty => vec![],
            Degenerate::EmptyGraph => vec![generic, vec![], self.cloud(rng, second)],
            Degenerate::OneNode => vec![self.cloud(rng, 1)],
            Degenerate::BatchOfOne => vec![generic],
            Degenerate::Coincident => {
                let (twin, lonely) = (self.point(rng), self.point(rng));
                let pair = vec![twin, self.point(rng), twin, self.point(rng)];
                vec![pair, generic, vec![lonely; 3]]
            }
            Degenerate::PolarAxis => {
                let heights = [-1.5, -0.25, 0.0, 0.75, 1.75].map(|y| self.snap(y * self.scale));
                let centre @ [x, y, z] = self.point(rng);
                let above = [x, y + heights[4], z];
                let below = [x, y + heights[1], z];
                let axis = heights.map(|height| [0.0, height, 0.0]).to_vec();
                vec![axis, vec![centre, above, self.point(rng), below], generic]
            }
            Degenerate::Collinear => {
                let (start, step) = (self.point(rng), self.point(rng));
                let place = |times: f64| std::array::from_fn(|i| start[i] + times * step[i]);
                vec![[-2.0, 1.0, -1.0, 2.0, 5.0].map(place).to_vec(), generic]
            }
            Degenerate::IsolatedNode => {
                let mut with_isolated = |mut graph: Vec<[f64; 3]>| {
                    let [x, y, z] = self.point(rng);
                    graph.push([x + self.snap(32.0 * self.scale), y, z]);
                    graph
                };
                vec![with_isolated(generic)]
            }
            Degenerate::ZeroFeatures => vec![generic, self.cloud(rng, second)],
            Degenerate::FarFromOrigin => {
                let shift = self.shift(rng, 64.0);
                let moved = |graph: Vec<[f64; 3]>| -> Vec<[f64; 3]> {
                    let add = |x: [f64; 3]| std::array::from_fn(|axis| x[axis] + shift[axis]);
                    graph.into_iter().map(add).collect()
                };
                let other = self.cloud(rng, second);
                vec![moved(generic), moved(other)]
            }
        }
    }

    /// Three sizes in the allowed range, not all equal where the range has more than one.
    fn sizes(&self, rng: &mut StdRng) -> [usize; 3] {
        let (least, most) = (*self.nodes.start(), *self.nodes.end());
        let first = rng.random_range(least..=most);
        let second = if first < most {
            rng.random_range(first + 1..=most)
        } else {
            least
        };
        [first, second, rng.random_range(least..=most)]
    }

    fn cloud(&self, rng: &mut StdRng, size: usize) -> Vec<[f64; 3]> {
        (0..size).map(|_| self.point(rng)).collect()
    }

    fn point(&self, rng: &mut StdRng) -> [f64; 3] {
        std::array::from_fn(|_| self.snap(self.scale * normal(rng)))
    }

    /// A shift along each axis by a half to the whole of `scales` scales, in either direction.
    fn shift(&self, rng: &mut StdRng, scales: f64) -> [f64; 3] {
        std::array::from_fn(|_| {
            let sign = if rng.random_range(0..2) == 0 {
                -1.0
            } else {
                1.0
            };
            self.snap(sign * rng.random_range(0.5..1.0) * scales * self.scale)
        })
    }

    /// The nearest point of the grid.
    fn snap(&self, value: f64) -> f64 {
        let bits = match self.precision {
            Precision::F32 => 12.0,
            Precision::F64 => 30.0,
        };
        let spacing = (self.scale.log2().floor() - bits).exp2();
        (value / spacing).round() * spacing
    }

    fn normals(&self, rng: &mut StdRng, count: usize) -> Vec<f64> {
        (0..count)
            .map(|_| self.precision.round(normal(rng)))
            .collect()
    }

    /// A generator of its own for each sample and use, so that leaving one out changes no other.
    fn rng(&self, kind: SampleKind, stream: Stream) -> StdRng {
        let number = match kind {
            SampleKind::Generic(trial) => trial + Degenerate::ALL.len(),
            SampleKind::Degenerate(degenerate) => degenerate as usize,
        };
        let place = 4 * number as u64 + stream as u64;
        // The odd constant of Weyl sequences (2^64 / golden ratio) keeps neighbouring seeds apart.
        StdRng::seed_from_u64(
            self.seed
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(place),
        )
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Sample,
    Transforms,
    Perturbation,
}

/// A part of the input that an output may or may not depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputPart {
    /// [`Sample::positions`].
    Positions,
    /// [`Sample::features`].
    Features,
    /// [`Sample::edge_features`].
    EdgeFeatures,
}

impl InputPart {
    pub(crate) const ALL: [Self; 3] = [Self::Positions, Self::Features, Self::EdgeFeatures];
}

impl fmt::Display for InputPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positions => "positions",
            Self::Features => "features",
            Self::EdgeFeatures => "edge features",
        })
    }
}

/// Three quarters of the ordered pairs, in random order: in- and out-degrees differ, so that `src`
/// taken for `dst` shows.
fn random_edges(rng: &mut StdRng, nodes: std::ops::Range<usize>) -> Vec<Edge> {
    let pairs = nodes
        .clone()
        .flat_map(|src| nodes.clone().map(move |dst| Edge { src, dst }));
    let mut edges: Vec<Edge> = pairs
        .filter(|edge| edge.src != edge.dst && rng.random_range(0..4) != 0)
        .collect();
    edges.shuffle(rng);
    edges
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}
