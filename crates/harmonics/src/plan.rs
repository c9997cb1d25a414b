//! Path plans: which products a convolution forms, as data.
//!
//! A convolution with kernels `W(x) = sum_J R_J(|x|) Q_J Y_J(x/|x|)` is fixed by the irreps it maps
//! between. The plan lists every path, its sparse coupling coefficients and the columns of the
//! radial weight matrix it owns; every kernel (CPU today, others later) executes the same plan.

use std::ops::Range;

use steerable_irreps::{Irrep, Irreps, MulIrrep, Parity};

use crate::Wigner3j;

/// How the channels of an input block are joined to those of an output block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Weighting {
    /// Every input channel feeds every output channel: `c_in x c_out` weights per path, as in
    /// tensor field networks and the SE(3)-Transformer.
    Full,
    /// Channel by channel (`uvu`, depth-wise): `c` weights per path, and one output block per path.
    ChannelWise,
}

/// How the coupling coefficients of a path are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum PathNormalization {
    /// Plain 3j symbols, as both published SE(3)-Transformers use them.
    None,
    /// `sqrt((2 l_out + 1) / fan_in)`, where `fan_in` counts the products summed into one output
    /// channel. With `component` harmonics, unit-variance features and unit-variance weights give
    /// unit-variance messages (e3nn's `component`/`element` normalization).
    FanIn,
}

/// Which pairs of blocks share one radial network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum RadialSharing {
    /// One radial network for the whole convolution (NVIDIA's fully fused level).
    Shared,
    /// One for each output irrep (NVIDIA's partially fused level).
    PerOutputIrrep,
    /// One for each input irrep (NVIDIA's partially fused level, where the outputs are uniform).
    PerInputIrrep,
    /// One for each (input irrep, output irrep) pair (Fuchs', and NVIDIA's unfused level).
    PerPair,
}

/// A run of `mul` channels of one irrep inside a packed feature row, laid out `[2l+1, mul]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First column of the block in the packed row.
    pub offset: usize,
    /// Number of channels.
    pub mul: usize,
    /// Degree.
    pub l: usize,
}

impl Block {
    /// Number of columns, `mul * (2l + 1)`.
    pub fn dim(&self) -> usize {
        self.mul * (2 * self.l + 1)
    }

    /// Columns of the packed row that the block covers.
    pub fn columns(&self) -> Range<usize> {
        self.offset..self.offset + self.dim()
    }
}

/// One nonzero coefficient of `Q_J`: `out[m_out] += value * Y[harmonic] * in[m_in]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Component of the output irrep, `0..=2 l_out`.
    pub m_out: usize,
    /// Component of the input irrep, `0..=2 l_in`.
    pub m_in: usize,
    /// Column of the packed harmonics row, `l_filter^2 + m`.
    pub harmonic: usize,
    /// 3j symbol times the path's normalization.
    pub value: f64,
}

/// One allowed (l_in, l_filter, l_out).
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Degree of the harmonics.
    pub l_filter: usize,
    /// Nonzero coefficients, ordered by `m_out`, then `m_in`, then `harmonic`.
    pub terms: Vec<Term>,
}

/// All paths between one input block and one output block.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Where the features are read.
    pub input: Block,
    /// Where the messages are written.
    pub output: Block,
    /// Which radial network gives the weights.
    pub radial: usize,
    /// Columns of the radial weight matrix, ordered `[path, c_in, c_out]` (`Full`) or `[path, c]`
    /// (`ChannelWise`).
    pub weights: Range<usize>,
    /// The paths, by ascending `l_filter`.
    pub paths: Vec<Path>,
}

/// Everything a convolution kernel needs to know besides its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvolutionPlan {
    irreps_in: Irreps,
    irreps_out: Irreps,
    weighting: Weighting,
    l_filter_max: usize,
    pairs: Vec<Pair>,
    num_weights: usize,
    num_radials: usize,
}

/// The choices behind a [`ConvolutionPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Highest degree of the harmonics; `None` takes every degree the irreps can couple to.
    pub l_filter_max: Option<usize>,
    /// Scaling of the coupling coefficients.
    pub normalization: PathNormalization,
    /// Which pairs share a radial network.
    pub sharing: RadialSharing,
}

impl ConvolutionPlan {
    /// The plan of a full convolution from `irreps_in` to `irreps_out`.
    ///
    /// Output blocks that no path reaches stay zero; [`Self::unreachable_outputs`] names them.
    pub fn full(irreps_in: &Irreps, irreps_out: &Irreps, options: PlanOptions) -> Self {
        let mut candidates = Vec::new();
        for (output, (mul_out, irrep_out)) in blocks(irreps_out) {
            let mut fan_in = 0;
            let first = candidates.len();
            for (input, (mul_in, irrep_in)) in blocks(irreps_in) {
                let filters = filters(irrep_in, irrep_out, options.l_filter_max);
                if filters.is_empty() || mul_in == 0 || mul_out == 0 {
                    continue;
                }
                fan_in += filters.len() * mul_in;
                candidates.push((input, irrep_in, output, irrep_out, filters, 0));
            }
            candidates[first..].iter_mut().for_each(|c| c.5 = fan_in);
        }
        Self::build(
            irreps_in,
            irreps_out.clone(),
            Weighting::Full,
            options,
            candidates,
        )
    }

    /// The plan of a channel-wise convolution of `irreps_in`: one output block for every path into
    /// an irrep that `keep` accepts, ordered by output irrep.
    pub fn channel_wise(
        irreps_in: &Irreps,
        l_filter_max: usize,
        keep: impl Fn(Irrep) -> bool,
        options: PlanOptions,
    ) -> Self {
        let mut found = Vec::new();
        for (input, (mul, irrep_in)) in blocks(irreps_in) {
            for l_filter in 0..=l_filter_max {
                for irrep_out in irrep_in.product(filter_irrep(irrep_in, l_filter)) {
                    if mul > 0 && keep(irrep_out) {
                        found.push((irrep_out, input, irrep_in, l_filter));
                    }
                }
            }
        }
        found.sort_by_key(|&(irrep_out, ..)| irrep_out);
        let irreps_out = Irreps::try_new(
            found
                .iter()
                .map(|&(irrep, input, ..)| MulIrrep {
                    mul: input.mul,
                    irrep,
                })
                .collect(),
        )
        .expect("products of one group's irreps stay in that group");
        let candidates = found
            .iter()
            .zip(blocks(&irreps_out))
            .map(|(&(irrep_out, input, irrep_in, l_filter), (output, _))| {
                (input, irrep_in, output, irrep_out, vec![l_filter], 1)
            })
            .collect();
        Self::build(
            irreps_in,
            irreps_out,
            Weighting::ChannelWise,
            options,
            candidates,
        )
    }

    fn build(
        irreps_in: &Irreps,
        irreps_out: Irreps,
        weighting: Weighting,
        options: PlanOptions,
        candidates: Vec<(Block, Irrep, Block, Irrep, Vec<usize>, usize)>,
    ) -> Self {
        let mut pairs = Vec::with_capacity(candidates.len());
        let mut radial_keys: Vec<(Option<Irrep>, Option<Irrep>)> = Vec::new();
        let mut num_weights = 0;
        for (input, irrep_in, output, irrep_out, filters, fan_in) in candidates {
            let key = match options.sharing {
                RadialSharing::Shared => (None, None),
                RadialSharing::PerOutputIrrep => (None, Some(irrep_out)),
                RadialSharing::PerInputIrrep => (Some(irrep_in), None),
                RadialSharing::PerPair => (Some(irrep_in), Some(irrep_out)),
            };
            let radial = radial_keys
                .iter()
                .position(|k| *k == key)
                .unwrap_or_else(|| {
                    radial_keys.push(key);
                    radial_keys.len() - 1
                });
            let scale = match options.normalization {
                PathNormalization::None => 1.0,
                PathNormalization::FanIn => (irrep_out.dim() as f64 / fan_in as f64).sqrt(),
            };
            let paths: Vec<Path> = filters
                .into_iter()
                .map(|l| path(irrep_in.l(), l, irrep_out.l(), scale))
                .collect();
            let channels = match weighting {
                Weighting::Full => input.mul * output.mul,
                Weighting::ChannelWise => input.mul,
            };
            let end = num_weights + paths.len() * channels;
            pairs.push(Pair {
                input,
                output,
                radial,
                weights: num_weights..end,
                paths,
            });
            num_weights = end;
        }
        let l_filter_max = pairs
            .iter()
            .flat_map(|p| &p.paths)
            .map(|p| p.l_filter)
            .max()
            .unwrap_or(0);
        Self {
            irreps_in: irreps_in.clone(),
            irreps_out,
            weighting,
            l_filter_max,
            pairs,
            num_weights,
            num_radials: radial_keys.len(),
        }
    }

    /// Irreps of the features that are read.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Irreps of the messages that are written.
    pub fn irreps_out(&self) -> &Irreps {
        &self.irreps_out
    }

    /// How channels are joined.
    pub fn weighting(&self) -> Weighting {
        self.weighting
    }

    /// Highest degree of harmonics that a path uses.
    pub fn l_filter_max(&self) -> usize {
        self.l_filter_max
    }

    /// The pairs, ordered by output block, then input block.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Number of paths.
    pub fn num_paths(&self) -> usize {
        self.pairs.iter().map(|pair| pair.paths.len()).sum()
    }

    /// Number of radial weights per edge: the columns of the radial weight matrix.
    pub fn num_weights(&self) -> usize {
        self.num_weights
    }

    /// Number of radial networks.
    pub fn num_radials(&self) -> usize {
        self.num_radials
    }

    /// Output irreps that no path reaches: their messages are always zero.
    pub fn unreachable_outputs(&self) -> Vec<MulIrrep> {
        blocks(&self.irreps_out)
            .filter(|(block, (mul, _))| *mul > 0 && !self.pairs.iter().any(|p| p.output == *block))
            .map(|(_, (mul, irrep))| MulIrrep { mul, irrep })
            .collect()
    }

    /// Multiply-adds of one edge in the direct order: the last radial layer over a hidden width,
    /// and the kernel applied to the features. Twice this is the FLOP count.
    pub fn multiply_adds_per_edge(&self, hidden: usize) -> usize {
        let radial = hidden * self.num_weights;
        let apply: usize = self
            .pairs
            .iter()
            .map(|pair| {
                let couple: usize = pair
                    .paths
                    .iter()
                    .map(|p| p.terms.len() * pair.input.mul)
                    .sum();
                couple + pair.weights.len() * (2 * pair.output.l + 1)
            })
            .sum();
        radial + apply
    }
}

/// The blocks of packed features, with multiplicity and irrep.
pub fn blocks(irreps: &Irreps) -> impl Iterator<Item = (Block, (usize, Irrep))> + '_ {
    irreps.iter().scan(0, |offset, MulIrrep { mul, irrep }| {
        let block = Block {
            offset: *offset,
            mul,
            l: irrep.l(),
        };
        *offset += block.dim();
        Some((block, (mul, irrep)))
    })
}

/// The irrep of the degree-l harmonics in the group of `like`: parity (-1)^l in O(3).
fn filter_irrep(like: Irrep, l: usize) -> Irrep {
    match like.parity() {
        None => Irrep::so3(l),
        Some(_) if l.is_multiple_of(2) => Irrep::o3(l, Parity::Even),
        Some(_) => Irrep::o3(l, Parity::Odd),
    }
}

/// The filter degrees that couple two irreps, ascending.
fn filters(irrep_in: Irrep, irrep_out: Irrep, l_max: Option<usize>) -> Vec<usize> {
    let (a, b) = (irrep_in.l(), irrep_out.l());
    (a.abs_diff(b)..=a + b)
        .filter(|&l| l_max.is_none_or(|max| l <= max))
        .filter(|&l| {
            irrep_in
                .product(filter_irrep(irrep_in, l))
                .any(|out| out == irrep_out)
        })
        .collect()
}

fn path(l_in: usize, l_filter: usize, l_out: usize, scale: f64) -> Path {
    let symbol = Wigner3j::new(l_filter, l_in, l_out);
    let mut terms: Vec<Term> = symbol
        .entries()
        .iter()
        .map(|e| Term {
            m_out: e.m3,
            m_in: e.m2,
            harmonic: l_filter * l_filter + e.m1,
            value: e.value * scale,
        })
        .collect();
    terms.sort_by_key(|c| (c.m_out, c.m_in, c.harmonic));
    Path { l_filter, terms }
}
