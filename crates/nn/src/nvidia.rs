//! NVIDIA's SE3Transformer: its fuse levels, and loading its weights.
//!
//! # Key map
//! With `b` the number of a block, `g` the fuse group (`conv` when fully fused, `conv_out.{l_out}` or
//! `conv_in.{l_in}` when partially fused, `conv.{l_in},{l_out}` when not) and NVIDIA's modules numbered
//! `graph_modules.{n}`, blocks and norms alternating:
//!
//! | NVIDIA | ours |
//! | --- | --- |
//! | `{n}.to_key_value.{g}.radial_func.net.0.{weight, bias}` | `blocks.{b}.value.radial.layers.0.{weight, bias}`, columns of g |
//! | `....net.1.{weight, bias}` | `....layers.0.{gamma, beta}` |
//! | `....net.3.{weight, bias}`, `net.4` | `....layers.1.{weight, bias}`, `{gamma, beta}` |
//! | `....net.6.weight` `[c_out (c_in paths), hidden]` | `blocks.{b}.value.weight` `[hidden, (path c_in c_out)]`, columns of g |
//! | `{n}.to_query.weights.{l}` `[c_out, c_in]` | `blocks.{b}.query.weights.{l}`, transposed |
//! | `{n}.project.weights.{l}` | `blocks.{b}.project.weights.{l}`, transposed |
//! | `{n}.group_norm.{weight, bias}` | `norms.{b}.{gamma, beta}`, cut into blocks |
//! | `{last}.{g}...` | `output....` as above |
//! | `{last}.to_kernel_self.{l}` | `output.own.weights.{l}`, transposed |
//! | `mlp.{0, 2}.{weight, bias}` (pooled model) | `{hidden, output}.{weight, bias}`, transposed |
//!
//! Without layer normalization in the radial network `net` numbers its linear maps 0, 2, 4.
//! NVIDIA's unfused (0, 0) kernel leaves out the constant harmonic `1 / sqrt(4 pi)`: its last radial
//! layer is multiplied by `sqrt(4 pi)` on loading.

use burn::config::Config;
use steerable_harmonics::plan::RadialSharing;
use steerable_irreps::{Irrep, Irreps};

/// How far NVIDIA's code fuses a convolution; it decides which radial networks exist.
#[derive(Config, Debug, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FuseLevel {
    /// Pairs of degrees (`low_memory = True`).
    None,
    /// All inputs of one output degree, or all outputs of one input degree.
    Partial,
    /// The whole convolution (`tensor_cores = True`).
    Full,
}

impl FuseLevel {
    /// The sharing that NVIDIA's code ends up with: a level applies only where the degrees
    /// `0..=max_degree` are all there and have the same number of channels.
    pub fn sharing(
        self,
        irreps_in: &Irreps,
        irreps_out: &Irreps,
        max_degree: usize,
    ) -> RadialSharing {
        let uniform = |irreps: &Irreps| {
            let channels = |l| irreps.mul_of(Irrep::so3(l));
            channels(0) > 0 && (0..=max_degree).all(|l| channels(l) == channels(0))
        };
        match (self, uniform(irreps_in), uniform(irreps_out)) {
            (Self::Full, true, true) => RadialSharing::Shared,
            (Self::Full | Self::Partial, true, _) => RadialSharing::PerOutputIrrep,
            (Self::Full | Self::Partial, false, true) => RadialSharing::PerInputIrrep,
            _ => RadialSharing::PerPair,
        }
    }

    /// The sharing of an attention block, whose convolution gives values and keys together.
    pub(crate) fn block_sharing(
        self,
        irreps_in: &Irreps,
        irreps_hidden: &Irreps,
        channels_div: usize,
        max_degree: usize,
    ) -> RadialSharing {
        let both = irreps_hidden
            .map_mul(|block| {
                let value = block.mul / channels_div.max(1);
                if irreps_in.mul_of(block.irrep) > 0 {
                    2 * value
                } else {
                    value
                }
            })
            .unwrap_or_default();
        self.sharing(irreps_in, &both, max_degree)
    }
}

#[cfg(feature = "import")]
mod load;

#[cfg(feature = "import")]
pub use load::{ImportError, load, load_pooled};
