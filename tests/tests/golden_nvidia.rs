//! NVIDIA's SE3Transformer, end to end: its weights, inputs, activations, outputs and gradients.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::store::SafetensorsStore;
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use safetensors::SafeTensors;
use steerable::graph::{Edge, Graph};
use steerable::irreps::{Irrep, Irreps, MulIrrep};
use steerable::nn::nvidia::{self, FuseLevel};
use steerable::nn::{
    Cloud, Convolution, Features, GraphTensors, MemoryBudget, PooledTransformerConfig,
    SE3Transformer, SE3TransformerConfig,
};

/// Largest relative error allowed, over a whole tensor (the bound for f32 references).
const TOLERANCE: f64 = 1e-5;

/// The folder in `STEERABLE_GOLDEN`, or the project's own copies.
fn folder() -> PathBuf {
    std::env::var_os("STEERABLE_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden"),
        PathBuf::from,
    )
}

struct Golden {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    info: serde_json::Value,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = folder().join(format!("nvidia_se3t_{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let info = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("info"))
            .map_or(serde_json::Value::Null, |text| {
                serde_json::from_str(text).expect("JSON")
            });
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensors = file
            .iter()
            .map(|(key, view)| {
                let numbers = match view.dtype() {
                    safetensors::Dtype::F32 => view
                        .data()
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
                        .collect(),
                    safetensors::Dtype::I64 => view
                        .data()
                        .as_chunks::<8>()
                        .0
                        .iter()
                        .map(|bytes| i64::from_le_bytes(*bytes) as f64)
                        .collect(),
                    other => panic!("{key}: dtype {other:?}"),
                };
                (key.to_string(), (view.shape().to_vec(), numbers))
            })
            .collect();
        Self { tensors, info }
    }

    fn get(&self, key: &str) -> Option<&(Vec<usize>, Vec<f64>)> {
        self.tensors.get(key)
    }

    /// A fiber of the settings, in ascending degrees.
    fn fiber(&self, name: &str) -> Irreps {
        let fiber = self.info[name]
            .as_object()
            .unwrap_or_else(|| panic!("settings: {name}"));
        let mut degrees: Vec<(usize, usize)> = fiber
            .iter()
            .map(|(l, mul)| {
                (
                    l.parse().expect("a degree"),
                    mul.as_u64().expect("channels") as usize,
                )
            })
            .collect();
        degrees.sort_unstable();
        let blocks = degrees
            .into_iter()
            .map(|(l, mul)| MulIrrep {
                mul,
                irrep: Irrep::so3(l),
            })
            .collect();
        Irreps::try_new(blocks).expect("one group")
    }

    fn number(&self, name: &str) -> usize {
        self.info[name]
            .as_u64()
            .unwrap_or_else(|| panic!("settings: {name}")) as usize
    }

    /// Features stored as `{prefix}{l}`, `[N, channels, 2l + 1]` each.
    fn features(&self, prefix: &str, dtype: DType, device: &Device) -> Features {
        let mut blocks = Vec::new();
        let mut columns = Vec::new();
        for l in 0.. {
            let Some((shape, numbers)) = self.get(&format!("{prefix}{l}")) else {
                if l > 8 {
                    break;
                }
                continue;
            };
            blocks.push(MulIrrep {
                mul: shape[1],
                irrep: Irrep::so3(l),
            });
            let data = TensorData::new(numbers.clone(), [shape[0], shape[1] * shape[2]]);
            columns.push(Tensor::<2>::from_data(data, (device, dtype)));
        }
        let irreps = Irreps::try_new(blocks).expect("one group");
        Features::from_mul_ir(irreps, Tensor::cat(columns, 1))
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .into_data()
        .convert::<f64>()
        .try_into_vec()
        .expect("numbers")
}

/// Norm of the difference over norm of the reference; counts what it compares.
fn assert_close(what: &str, ours: &[f64], reference: &[f64], compared: &mut usize) {
    assert_eq!(ours.len(), reference.len(), "{what}: number of values");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut ours.iter().zip(reference).map(|(a, b)| a - b));
    let error = difference / norm(&mut reference.iter().copied()).max(1e-30);
    assert!(
        error <= TOLERANCE,
        "{what}: relative error {error:.2e} > {TOLERANCE:.0e}"
    );
    *compared += ours.len();
}

struct Case {
    golden: Golden,
    io: Golden,
    level: FuseLevel,
    device: Device,
}

impl Case {
    fn read(name: &str, level: FuseLevel) -> Self {
        Self {
            golden: Golden::read(name),
            io: Golden::read("io"),
            level,
            device: device(),
        }
    }

    fn config(&self, irreps_out: Irreps) -> SE3TransformerConfig {
        let golden = &self.golden;
        let hidden = golden.fiber("fiber_hidden");
        let edges = golden.fiber("fiber_edge");
        SE3TransformerConfig::nvidia(golden.fiber("fiber_in"), hidden, irreps_out, self.level)
            .with_num_edge_scalars(edges.mul_of(Irrep::so3(0)))
            .with_num_layers(golden.number("num_layers"))
            .with_num_heads(golden.number("num_heads"))
            .with_channels_div(golden.number("channels_div"))
    }

    fn load(&self, file: &str, irreps_out: Irreps, prefix: &str) -> SE3Transformer {
        let model = self.config(irreps_out).init(&self.device);
        let path = folder().join(format!("nvidia_se3t_{file}.safetensors"));
        let mut store = SafetensorsStore::from_file(path);
        nvidia::load(&model, &mut store, &format!("param.{prefix}")).expect("the weights load")
    }

    /// The graph, our order of its edges, and the inputs.
    fn cloud(&self) -> Cloud {
        let index = |key: &str| -> Vec<u32> {
            self.io
                .get(key)
                .expect("edges")
                .1
                .iter()
                .map(|&i| i as u32)
                .collect()
        };
        let (pos_shape, pos) = self.io.get("pos").expect("positions").clone();
        let edges: Vec<Edge> = index("src")
            .into_iter()
            .zip(index("dst"))
            .map(|(src, dst)| Edge { src, dst })
            .collect();
        let graph = Graph::from_edges(pos_shape[0], &edges).expect("a graph");
        let order = graph.order().expect("edges that the user ordered").to_vec();
        let (shape, scalars) = self.io.get("edge_0").expect("edge scalars");
        let width = shape[1];
        let sorted: Vec<f64> = order
            .iter()
            .flat_map(|&e| scalars[e as usize * width..(e as usize + 1) * width].to_vec())
            .collect();
        let float = |values: Vec<f64>, shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(values, shape), (&self.device, DType::F32))
        };
        let num_edges = order.len();
        Cloud::new(
            GraphTensors::new(&graph, &self.device),
            float(pos, [pos_shape[0], 3]),
        )
        .with_edge_scalars(float(sorted, [num_edges, width]))
    }

    /// Outputs, activations and gradients of one fuse level, within a memory budget.
    fn check(&self, name: &str, budget: MemoryBudget) {
        let mut compared = 0;
        let model = self.load(name, self.golden.fiber("fiber_out"), "");
        let mut cloud = self.cloud();
        cloud.graph = cloud.graph.with_budget(budget);
        let input = self.io.features("node_", DType::F32, &self.device);
        let packed = input.packed().require_grad();
        let input = Features::new(input.irreps().clone(), packed.clone());

        for (stage, ours) in model.trace(&input, &cloud).iter().enumerate() {
            let prefix = format!("act.{stage}.");
            let reference = self.golden.features(&prefix, DType::F32, &self.device);
            assert_eq!(ours.irreps(), reference.irreps(), "{prefix}: irreps");
            for (index, block) in ours.irreps().iter().enumerate() {
                assert_close(
                    &format!("{name}: {prefix}{}", block.irrep.l()),
                    &numbers(ours.block(index)),
                    &numbers(reference.block(index)),
                    &mut compared,
                );
            }
        }

        let out = model.forward(&input, &cloud).features;
        let reference = self.golden.features("out.", DType::F32, &self.device);
        assert_close(
            &format!("{name}: output"),
            &numbers(out.packed()),
            &numbers(reference.packed()),
            &mut compared,
        );

        let cotangent = self.io.features("cotangent_", DType::F32, &self.device);
        let grads = (out.packed() * cotangent.packed()).sum().backward();
        let to_input = Features::new(
            input.irreps().clone(),
            packed.grad(&grads).expect("a gradient to the input"),
        );
        let reference = self.golden.features("grad_node_", DType::F32, &self.device);
        assert_close(
            &format!("{name}: gradient to the input"),
            &numbers(to_input.packed()),
            &numbers(reference.packed()),
            &mut compared,
        );

        // The stored gradients load like weights, through the same key map.
        let path = folder().join(format!("nvidia_se3t_{name}.safetensors"));
        let mut store = SafetensorsStore::from_file(path);
        let gradients = nvidia::load(&model, &mut store, "grad.").expect("the gradients load");
        let mut pairs = Vec::new();
        for (index, (block, reference)) in model.blocks.iter().zip(&gradients.blocks).enumerate() {
            let at = format!("{name}: gradient to blocks[{index}]");
            let (last, reference_last) = (&block.value, &reference.value);
            self.check_last_layer(&at, index, (last, reference_last), &grads, &mut compared);
            pairs.extend(
                block
                    .query
                    .weights
                    .iter()
                    .zip(&reference.query.weights)
                    .map(|(a, b)| (format!("{at}.query"), a, b)),
            );
            pairs.extend(
                block
                    .project
                    .weights
                    .iter()
                    .zip(&reference.project.weights)
                    .map(|(a, b)| (format!("{at}.project"), a, b)),
            );
            pairs.extend(
                block
                    .value
                    .radial
                    .layers
                    .iter()
                    .zip(&reference.value.radial.layers)
                    .map(|(a, b)| (format!("{at}.value.radial"), &a.weight, &b.weight)),
            );
        }
        let at = format!("{name}: gradient to output");
        let last = (&model.output, &gradients.output);
        self.check_last_layer(&at, model.blocks.len(), last, &grads, &mut compared);
        for (what, param, reference) in pairs {
            let ours = numbers(
                param
                    .val()
                    .grad(&grads)
                    .unwrap_or_else(|| panic!("{what}: none")),
            );
            assert_close(&what, &ours, &numbers(reference.val()), &mut compared);
        }
        let vectors = model.norms.iter().zip(&gradients.norms).flat_map(|(a, b)| {
            a.gamma
                .iter()
                .zip(&b.gamma)
                .chain(a.beta.iter().zip(&b.beta))
        });
        for (param, reference) in vectors {
            let ours = numbers(param.val().grad(&grads).expect("a gradient to a norm"));
            let what = format!("{name}: gradient to a norm");
            assert_close(&what, &ours, &numbers(reference.val()), &mut compared);
        }
        println!(
            "{name}: compared {compared} values from {}",
            folder().display()
        );
    }

    /// Loading multiplies NVIDIA's unfused kernel between scalars by s = sqrt(4 pi); a gradient to it
    /// is 1 / s of NVIDIA's, and so 1 / s^2 of the loaded one.
    fn check_last_layer(
        &self,
        at: &str,
        module: usize,
        (ours, loaded): (&Convolution, &Convolution),
        grads: &Gradients,
        compared: &mut usize,
    ) {
        let [_, columns] = ours.weight.dims();
        let module = format!("param.graph_modules.{}", 2 * module);
        let unfused = [".to_key_value", ""].iter().any(|part| {
            let key = format!("{module}{part}.conv.0,0.radial_func.net.0.weight");
            self.golden.get(&key).is_some()
        });
        let mut reference = numbers(loaded.weight.val());
        let scalars = ours
            .plan()
            .pairs()
            .iter()
            .filter(|p| p.input.l == 0 && p.output.l == 0);
        for column in scalars
            .flat_map(|pair| pair.weights.clone())
            .filter(|_| unfused)
        {
            reference
                .iter_mut()
                .skip(column)
                .step_by(columns)
                .for_each(|value| *value /= 4.0 * std::f64::consts::PI);
        }
        let gradient = ours
            .weight
            .val()
            .grad(grads)
            .expect("a gradient to the last radial layer");
        assert_close(
            &format!("{at}.weight"),
            &numbers(gradient),
            &reference,
            compared,
        );
    }
}

#[test]
fn golden_nvidia_partially_fused() {
    Case::read("partial", FuseLevel::Partial).check("partial", MemoryBudget::Unlimited);
}

#[test]
fn golden_nvidia_fully_fused() {
    Case::read("full", FuseLevel::Full).check("full", MemoryBudget::Unlimited);
}

#[test]
fn golden_nvidia_unfused() {
    Case::read("none", FuseLevel::None).check("none", MemoryBudget::Unlimited);
}

/// The budgets are what the node with the most edges needs in the widest layer, so that no other layer or
/// node has room to spare: one byte less is refused.
#[test]
fn golden_nvidia_within_a_memory_budget() {
    for (name, level, bytes) in [
        ("partial", FuseLevel::Partial, 9968),
        ("full", FuseLevel::Full, 9456),
        ("none", FuseLevel::None, 22256),
    ] {
        Case::read(name, level).check(name, MemoryBudget::Bytes(bytes));
    }
}

#[test]
fn golden_nvidia_pooled() {
    let case = Case::read("pooled", FuseLevel::Partial);
    let golden = &case.golden;
    let width = golden.get("param.mlp.0.weight").expect("the perceptron").0[0];
    let outputs = golden.get("param.mlp.2.weight").expect("the perceptron").0[0];
    let scalars = Irreps::try_new(vec![MulIrrep {
        mul: width,
        irrep: Irrep::so3(0),
    }])
    .expect("one group");
    let config = PooledTransformerConfig::new(case.config(scalars), outputs);
    let path = folder().join("nvidia_se3t_pooled.safetensors");
    let mut store = SafetensorsStore::from_file(path);
    let model = nvidia::load_pooled(&config.init(&case.device), &mut store, "param.")
        .expect("the weights load");
    let input = case.io.features("node_", DType::F32, &case.device);
    let out = model.forward(&input, &case.cloud());
    let mut compared = 0;
    let reference = &golden.get("out").expect("the output").1;
    assert_close("pooled: output", &numbers(out), reference, &mut compared);
    println!(
        "pooled: compared {compared} values from {}",
        folder().display()
    );
}

#[test]
fn golden_nvidia_weights_of_another_fuse_level_are_refused_with_the_key() {
    let case = Case::read("none", FuseLevel::Full);
    let model = case
        .config(case.golden.fiber("fiber_out"))
        .init(&case.device);
    let mut store = SafetensorsStore::from_file(folder().join("nvidia_se3t_none.safetensors"));
    let error = nvidia::load(&model, &mut store, "param.").expect_err("the levels differ");
    assert!(error.to_string().contains("graph_modules"), "{error}");
}
