//! Loading a state dict.

use burn::module::Param;
use burn::store::ModuleStore;
use burn::tensor::{Device, Tensor, TensorData};
use steerable_harmonics::plan::{ConvolutionPlan, Pair, blocks};
use steerable_irreps::Irreps;

use crate::convolution::Convolution;
use crate::linear::SteerableLinear;
use crate::norm::NormNonlinearity;
use crate::{PooledTransformer, SE3Transformer};

/// A state dict that is not one of the model it was to be loaded into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the state dict cannot be read: {0}")]
    Store(String),
    /// A tensor is missing.
    #[error("the state dict has no tensor \"{key}\"; is the fuse level right?")]
    Missing {
        /// The key.
        key: String,
    },
    /// A tensor has another shape than the model.
    #[error("tensor \"{key}\" has shape {found:?}, the model expects {expected:?}")]
    Shape {
        /// The key.
        key: String,
        /// Shape in the state dict.
        found: Vec<usize>,
        /// Shape that the model expects.
        expected: Vec<usize>,
    },
    /// The model was not built with [`crate::SE3TransformerConfig::nvidia`].
    #[error("the model was not built with SE3TransformerConfig::nvidia: {0}")]
    OtherModel(&'static str),
}

/// Loads NVIDIA's weights into a model built with [`crate::SE3TransformerConfig::nvidia`] for the same
/// fibers, in ascending degrees. `prefix` stands before every key, as `"transformer."` in a pooled model.
/// The model is returned whole or not at all.
///
/// Of a `.pth` the store is `PytorchStore::from_file(..).map_indices_contiguous(false)`: by default it numbers the layers
/// of a sequence anew, and a key would name another tensor.
///
/// # Errors
/// When a tensor is missing or has another shape.
pub fn load(
    model: &SE3Transformer,
    store: &mut impl ModuleStore,
    prefix: &str,
) -> Result<SE3Transformer, ImportError> {
    let device = model.output.weight.device();
    let mut source = Source { store, device };
    let mut model = model.clone();
    let stride = if model.norms.is_empty() { 1 } else { 2 };
    for (index, block) in model.blocks.iter_mut().enumerate() {
        if block.key.is_some() {
            return Err(ImportError::OtherModel("keys and values are separate"));
        }
        let at = format!("{prefix}graph_modules.{}", index * stride);
        let convolution = format!("{at}.to_key_value");
        source.convolution(&mut block.value, &convolution)?;
        source.linear(&mut block.query, &format!("{at}.to_query.weights"))?;
        source.linear(&mut block.project, &format!("{at}.project.weights"))?;
    }
    for (index, norm) in model.norms.iter_mut().enumerate() {
        source.norm(
            norm,
            &format!("{prefix}graph_modules.{}", index * stride + 1),
        )?;
    }
    let last = format!("{prefix}graph_modules.{}", model.blocks.len() * stride);
    source.convolution(&mut model.output, &last)?;
    if let Some(own) = &mut model.output.own {
        source.linear(own, &format!("{last}.to_kernel_self"))?;
    }
    Ok(model)
}

/// Loads the weights of NVIDIA's `SE3TransformerPooled`; `prefix` stands before every key.
/// The model is returned whole or not at all.
///
/// # Errors
/// When a tensor is missing or has another shape.
pub fn load_pooled(
    model: &PooledTransformer,
    store: &mut impl ModuleStore,
    prefix: &str,
) -> Result<PooledTransformer, ImportError> {
    let mut model = model.clone();
    model.transformer = load(&model.transformer, store, &format!("{prefix}transformer."))?;
    let device = model.hidden.weight.device();
    let mut source = Source { store, device };
    for (number, layer) in [(0, &mut model.hidden), (2, &mut model.output)] {
        let [d_input, d_output] = layer.weight.dims();
        let at = format!("{prefix}mlp.{number}");
        let weight = source.read(&format!("{at}.weight"), &[d_output, d_input])?;
        source.assign(&mut layer.weight, transposed(&weight, d_input));
        if let Some(bias) = &mut layer.bias {
            let values = source.read(&format!("{at}.bias"), &[d_output])?;
            source.assign(bias, values);
        }
    }
    Ok(model)
}

struct Source<'a, S> {
    store: &'a mut S,
    device: Device,
}

impl<S: ModuleStore> Source<'_, S> {
    fn has(&mut self, key: &str) -> Result<bool, ImportError> {
        let found = self
            .store
            .get_tensor(key)
            .map_err(|e| ImportError::Store(format!("{e:?}")))?;
        Ok(found.is_some())
    }

    /// The numbers of a tensor, whose shape must be as expected.
    fn read(&mut self, key: &str, expected: &[usize]) -> Result<Vec<f64>, ImportError> {
        let unreadable = |what: String| ImportError::Store(format!("\"{key}\": {what}"));
        let tensor = self
            .store
            .get_tensor(key)
            .map_err(|error| unreadable(format!("{error:?}")))?
            .ok_or_else(|| ImportError::Missing { key: key.into() })?
            .clone();
        let (_, dtype, shape, _, bytes) = tensor
            .into_parts()
            .map_err(|error| unreadable(format!("{error:?}")))?;
        let found = shape.to_vec();
        if found != expected {
            return Err(ImportError::Shape {
                key: key.into(),
                found,
                expected: expected.to_vec(),
            });
        }
        let data = TensorData::from_bytes(bytes, shape, dtype).convert::<f64>();
        data.try_into_vec::<f64>()
            .map_err(|error| unreadable(format!("{error:?}")))
    }

    /// Puts new numbers into a parameter, which keeps its identity and dtype.
    fn assign<const D: usize>(&self, param: &mut Param<Tensor<D>>, values: Vec<f64>) {
        let old = param.val();
        let data = TensorData::new(values, old.dims());
        let device = &self.device;
        let replacement = Tensor::from_data(data, (device, old.dtype()));
        let trained = old.is_require_grad();
        *param = param.clone().map(|_| replacement.set_require_grad(trained));
    }

    fn linear(&mut self, layer: &mut SteerableLinear, at: &str) -> Result<(), ImportError> {
        let irreps_out = layer.irreps_out().clone();
        for (block, weight) in irreps_out.iter().zip(&mut layer.weights) {
            let [fan_in, mul] = weight.dims();
            let key = format!("{at}.{}", block.irrep.l());
            let values = self.read(&key, &[mul, fan_in])?;
            self.assign(weight, transposed(&values, fan_in));
        }
        Ok(())
    }

    /// One group norm when all multiplicities are equal, a layer norm for each degree otherwise.
    fn norm(&mut self, norm: &mut NormNonlinearity, at: &str) -> Result<(), ImportError> {
        let irreps = norm.irreps().clone();
        let total = irreps.num_irreps();
        let fused = format!("{at}.group_norm");
        if self.has(&format!("{fused}.weight"))? {
            for (name, params) in [("weight", &mut norm.gamma), ("bias", &mut norm.beta)] {
                let values = self.read(&format!("{fused}.{name}"), &[total])?;
                let mut rest = values.as_slice();
                for (block, param) in irreps.iter().zip(params) {
                    let (own, others) = rest.split_at(block.mul);
                    self.assign(param, own.to_vec());
                    rest = others;
                }
            }
            return Ok(());
        }
        for (name, params) in [("weight", &mut norm.gamma), ("bias", &mut norm.beta)] {
            for (block, param) in irreps.iter().zip(params) {
                let key = format!("{at}.layer_norms.{}.{name}", block.irrep.l());
                let values = self.read(&key, &[block.mul])?;
                self.assign(param, values);
            }
        }
        Ok(())
    }

    fn convolution(&mut self, layer: &mut Convolution, at: &str) -> Result<(), ImportError> {
        let plan = layer.plan().clone();
        let groups = fuse_groups(&plan);
        let hidden_widths: Vec<usize> = layer
            .radial
            .layers
            .iter()
            .map(|layer| layer.weight.dims()[1])
            .collect();
        let mut prefixes = Vec::with_capacity(groups.len());
        for group in &groups {
            prefixes.push(self.group_prefix(group, at)?);
        }
        self.hidden_layers(layer, &prefixes, &hidden_widths)?;
        self.last_layer(layer, &plan, &groups, &prefixes)
    }

    /// Which of NVIDIA's names this group has in the state dict.
    fn group_prefix(&mut self, group: &FuseGroup, at: &str) -> Result<String, ImportError> {
        let (l_in, l_out) = group.degrees[0];
        let names = [
            format!("{at}.conv"),
            format!("{at}.conv_out.{l_out}"),
            format!("{at}.conv_in.{l_in}"),
            format!("{at}.conv.{l_in},{l_out}"),
        ];
        for name in &names {
            if self.has(&format!("{name}.radial_func.net.0.weight"))? {
                return Ok(format!("{name}.radial_func.net"));
            }
        }
        Err(ImportError::Missing {
            key: format!("{}.radial_func.net.0.weight", names[3]),
        })
    }

    fn hidden_layers(
        &mut self,
        layer: &mut Convolution,
        prefixes: &[String],
        widths: &[usize],
    ) -> Result<(), ImportError> {
        let groups = prefixes.len();
        for (index, radial) in layer.radial.layers.iter_mut().enumerate() {
            // The first map of all networks is one wide matrix, the later ones are stacked.
            let wide = index == 0;
            let width = if wide {
                widths[index] / groups
            } else {
                widths[index]
            };
            let d_input = if wide {
                radial.weight.dims()[0]
            } else {
                radial.weight.dims()[0] / groups
            };
            let step = if radial.gamma.is_some() { 3 } else { 2 };
            let mut weight = vec![0.0; groups * d_input * width];
            let [mut bias, mut gamma, mut beta] = [const { Vec::new() }; 3];
            for (group, prefix) in prefixes.iter().enumerate() {
                let linear = format!("{prefix}.{}", step * index);
                let values = self.read(&format!("{linear}.weight"), &[width, d_input])?;
                for (at, value) in values.into_iter().enumerate() {
                    let (row, column) = (at % d_input, at / d_input);
                    let to = if wide {
                        row * groups * width + group * width + column
                    } else {
                        (group * d_input + row) * width + column
                    };
                    weight[to] = value;
                }
                bias.extend(self.read(&format!("{linear}.bias"), &[width])?);
                if radial.gamma.is_some() {
                    let norm = format!("{prefix}.{}", step * index + 1);
                    gamma.extend(self.read(&format!("{norm}.weight"), &[width])?);
                    beta.extend(self.read(&format!("{norm}.bias"), &[width])?);
                }
            }
            self.assign(&mut radial.weight, weight);
            let others = [
                (&mut radial.bias, bias),
                (&mut radial.gamma, gamma),
                (&mut radial.beta, beta),
            ];
            for (param, values) in others {
                if let Some(param) = param {
                    self.assign(param, values);
                }
            }
        }
        Ok(())
    }

    fn last_layer(
        &mut self,
        layer: &mut Convolution,
        plan: &ConvolutionPlan,
        groups: &[FuseGroup],
        prefixes: &[String],
    ) -> Result<(), ImportError> {
        let [hidden, columns] = layer.weight.dims();
        let step = if layer.radial.layers.iter().all(|l| l.gamma.is_some()) {
            3
        } else {
            2
        };
        let number = step * layer.radial.layers.len();
        let mut weight = vec![0.0; hidden * columns];
        for (radial, (group, prefix)) in groups.iter().zip(prefixes).enumerate() {
            let rows = group.channels_out * group.channels_in * group.num_paths();
            let values = self.read(&format!("{prefix}.{number}.weight"), &[rows, hidden])?;
            for pair in plan.pairs().iter().filter(|pair| pair.radial == radial) {
                let scale = group.unfused_scalar_factor(prefix);
                for (column, row) in group.rows_of(plan, pair) {
                    for h in 0..hidden {
                        weight[h * columns + column] = scale * values[row * hidden + h];
                    }
                }
            }
        }
        self.assign(&mut layer.weight, weight);
        Ok(())
    }
}

/// The pairs of degrees that one of NVIDIA's radial networks serves.
struct FuseGroup {
    /// (l_in, l_out), by l_out, then l_in: the order of its paths.
    degrees: Vec<(usize, usize)>,
    channels_in: usize,
    channels_out: usize,
}

impl FuseGroup {
    fn num_paths(&self) -> usize {
        self.degrees
            .iter()
            .map(|&(l_in, l_out)| 2 * l_in.min(l_out) + 1)
            .sum()
    }

    /// NVIDIA's unfused kernel between scalars leaves out the harmonic `Y_0 = 1 / sqrt(4 pi)`.
    fn unfused_scalar_factor(&self, prefix: &str) -> f64 {
        if prefix.contains(".conv.0,0.") {
            (4.0 * std::f64::consts::PI).sqrt()
        } else {
            1.0
        }
    }

    /// For each of our columns of a pair, the row of NVIDIA's last layer.
    fn rows_of(&self, plan: &ConvolutionPlan, pair: &Pair) -> Vec<(usize, usize)> {
        let first_in = channels_before(plan.irreps_in(), pair.input.offset, pair.input.l);
        let first_out = channels_before(plan.irreps_out(), pair.output.offset, pair.output.l);
        let first_path: usize = self
            .degrees
            .iter()
            .take_while(|&&degrees| degrees != (pair.input.l, pair.output.l))
            .map(|&(l_in, l_out)| 2 * l_in.min(l_out) + 1)
            .sum();
        let mut rows = Vec::with_capacity(pair.weights.len());
        let mut column = pair.weights.start;
        for path in 0..pair.paths.len() {
            for c_in in 0..pair.input.mul {
                for c_out in 0..pair.output.mul {
                    let channel = (first_out + c_out) * self.channels_in + first_in + c_in;
                    rows.push((column, channel * self.num_paths() + first_path + path));
                    column += 1;
                }
            }
        }
        rows
    }
}

/// One group for each radial network of the plan.
fn fuse_groups(plan: &ConvolutionPlan) -> Vec<FuseGroup> {
    let channels = |irreps: &Irreps, l| {
        irreps
            .iter()
            .filter(|b| b.irrep.l() == l)
            .map(|b| b.mul)
            .sum()
    };
    (0..plan.num_radials())
        .map(|radial| {
            let pairs = plan.pairs().iter().filter(|pair| pair.radial == radial);
            let mut degrees: Vec<_> = pairs.map(|pair| (pair.input.l, pair.output.l)).collect();
            degrees.sort_unstable_by_key(|&(l_in, l_out)| (l_out, l_in));
            degrees.dedup();
            let (l_in, l_out) = degrees[0];
            FuseGroup {
                channels_in: channels(plan.irreps_in(), l_in),
                channels_out: channels(plan.irreps_out(), l_out),
                degrees,
            }
        })
        .collect()
}

/// Channels of degree l in the blocks before a column.
fn channels_before(irreps: &Irreps, column: usize, l: usize) -> usize {
    blocks(irreps)
        .filter(|(block, _)| block.l == l && block.offset < column)
        .map(|(block, _)| block.mul)
        .sum()
}

fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    (0..columns)
        .flat_map(|c| (0..rows).map(move |r| values[r * columns + c]))
        .collect()
}
