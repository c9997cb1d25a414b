//! Weights of other codes, read by the program itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::tensor::TensorView;
use serde_json::Value;
use steerable::harmonics::Wigner3j;
use steerable::harmonics::plan::ConvolutionPlan;
use steerable::irreps::Irreps;
use steerable_cli::import::{Files, Product, Source, linear_matrices, tensor_product_columns};
use steerable_train::checkpoint::{Checkpoint, Group};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

fn steerable(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_steerable"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

fn irreps(value: &Value) -> Irreps {
    value.as_str().expect("text").parse().expect("irreps")
}

fn cases() -> Value {
    let text = fs::read_to_string(golden("tensor_products.json")).expect("the golden file");
    serde_json::from_str::<Value>(&text).expect("JSON")["cases"].take()
}

#[test]
fn e3nn_linear_weights_give_e3nn_outputs() {
    let case = &cases()["linear"];
    let [input, output] = ["irreps_in", "irreps_out"].map(|key| irreps(&case[key]));
    let matrices = linear_matrices(&input, &output, &numbers(&case["weight"])).unwrap();
    let (x, bias, expected) = (
        numbers(&case["x"]),
        numbers(&case["bias"]),
        numbers(&case["out"]),
    );
    for (row, expected) in x.chunks(input.dim()).zip(expected.chunks(output.dim())) {
        let mut got = Vec::new();
        for (block, matrix) in output.iter().zip(&matrices) {
            // All channels of the irrep, as e3nn lays them: [mul, 2l + 1].
            let channels: Vec<&[f64]> = input
                .iter()
                .zip(input.slices())
                .filter(|(own, _)| own.irrep == block.irrep)
                .flat_map(|(own, slice)| row[slice].chunks(own.irrep.dim()))
                .collect();
            for c in 0..block.mul {
                for m in 0..block.irrep.dim() {
                    let sum: f64 = channels
                        .iter()
                        .enumerate()
                        .map(|(k, channel)| channel[m] * matrix[k * block.mul + c])
                        .sum();
                    let shift = if block.irrep.is_scalar() {
                        bias[c]
                    } else {
                        0.0
                    };
                    got.push(sum + shift);
                }
            }
        }
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} for {expected}");
        }
    }
    assert!(linear_matrices(&input, &output, &[0.0; 3]).is_err());
}

/// The product by our plan, with components as e3nn lays them: one row of features and harmonics.
fn by_our_plan(plan: &ConvolutionPlan, x: &[f64], y: &[f64], weight: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; plan.irreps_out().dim()];
    for pair in plan.pairs() {
        let full = pair.weights.len() == pair.paths.len() * pair.input.mul * pair.output.mul
            && plan.weighting() == steerable::harmonics::plan::Weighting::Full;
        let mut column = pair.weights.start;
        for path in &pair.paths {
            for c_in in 0..pair.input.mul {
                let outputs = if full {
                    0..pair.output.mul
                } else {
                    c_in..c_in + 1
                };
                for c_out in outputs {
                    for term in &path.terms {
                        let from = pair.input.offset + c_in * (2 * pair.input.l + 1) + term.m_in;
                        let to = pair.output.offset + c_out * (2 * pair.output.l + 1) + term.m_out;
                        out[to] += weight[column] * term.value * y[term.harmonic] * x[from];
                    }
                    column += 1;
                }
            }
        }
    }
    out
}

#[test]
fn e3nn_channel_wise_weights_give_e3nn_outputs() {
    let cases = cases();
    let case = &cases["uvu_l2_o3_default"];
    let [input, output] = ["irreps_in1", "irreps_out"].map(|key| irreps(&case[key]));
    let plan = Product::ChannelWise.plan(&input, &output, 2);
    let columns = tensor_product_columns(&plan, plan.num_weights()).unwrap();
    let (x, y) = (numbers(&case["x1"]), numbers(&case["x2"]));
    let (weights, expected) = (numbers(&case["weight"]), numbers(&case["out"]));
    let rows = x.len() / input.dim();
    let own = weights.len() / plan.num_weights();
    let mut compared = 0;
    for row in 0..rows {
        let theirs = &weights[(row % own) * plan.num_weights()..][..plan.num_weights()];
        let ours: Vec<f64> = columns
            .iter()
            .map(|&(at, sign)| sign * theirs[at])
            .collect();
        let got = by_our_plan(
            &plan,
            &x[row * input.dim()..][..input.dim()],
            &y[row * 9..][..9],
            &ours,
        );
        // The blocks of one irrep stand in another order here and there.
        for irrep in plan.irreps_out().iter().map(|block| block.irrep) {
            let of = |irreps: &Irreps, values: &[f64]| {
                let mut blocks: Vec<Vec<f64>> = irreps
                    .iter()
                    .zip(irreps.slices())
                    .filter(|(block, _)| block.irrep == irrep)
                    .map(|(_, slice)| values[slice].to_vec())
                    .collect();
                blocks.sort_by(|a, b| a[0].total_cmp(&b[0]));
                blocks.concat()
            };
            let expected = of(&output, &expected[row * output.dim()..][..output.dim()]);
            for (got, expected) in of(plan.irreps_out(), &got).iter().zip(&expected) {
                assert!(
                    (got - expected).abs() < 1e-12,
                    "{irrep}: {got} for {expected}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn e3nn_fully_connected_weights_give_e3nn_s_formula() {
    let input: Irreps = "2x0e + 1x1o + 2x1o + 1x2e".parse().unwrap();
    let output: Irreps = "3x0e + 2x1o + 1x1e + 2x2e".parse().unwrap();
    let l_max = 2;
    let plan = Product::Full.plan(&input, &output, l_max);
    let count = plan.num_weights();
    let wave = |n: usize, phase: f64| -> Vec<f64> {
        (0..n).map(|i| (1.7 * i as f64 + phase).sin()).collect()
    };
    let (x, y, theirs) = (wave(input.dim(), 0.3), wave(9, 1.1), wave(count, 2.0));

    // e3nn: sum over instructions (input, harmonic, output) of sqrt(dim / fan_in) W[u, w] C(x_u, y).
    let mut expected = vec![0.0; output.dim()];
    let harmonics: Irreps = "1x0e + 1x1o + 1x2e".parse().unwrap();
    let mut fan_in = vec![0; output.len()];
    let mut steps = Vec::new();
    for (i, a) in input.iter().enumerate() {
        for (l, b) in harmonics.iter().enumerate() {
            for (o, c) in output.iter().enumerate() {
                if a.irrep.product(b.irrep).any(|irrep| irrep == c.irrep) {
                    fan_in[o] += a.mul;
                    steps.push((i, l, o));
                }
            }
        }
    }
    let mut first = 0;
    for (i, l, o) in steps {
        let (a, c) = (input.blocks()[i], output.blocks()[o]);
        let symbol = Wigner3j::new(a.irrep.l(), l, c.irrep.l());
        let scale = (c.irrep.dim() as f64 / fan_in[o] as f64).sqrt();
        for u in 0..a.mul {
            for w in 0..c.mul {
                for entry in symbol.entries() {
                    let from = input.slices()[i].start + u * a.irrep.dim() + entry.m1;
                    let to = output.slices()[o].start + w * c.irrep.dim() + entry.m3;
                    expected[to] += scale
                        * theirs[first + u * c.mul + w]
                        * entry.value
                        * x[from]
                        * y[l * l + entry.m2];
                }
            }
        }
        first += a.mul * c.mul;
    }
    assert_eq!(first, count);
    let columns = tensor_product_columns(&plan, count).unwrap();
    let ours: Vec<f64> = columns
        .iter()
        .map(|&(at, sign)| sign * theirs[at])
        .collect();
    let got = by_our_plan(&plan, &x, &y, &ours);
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-13, "{got} for {expected}");
    }
    assert!(tensor_product_columns(&plan, count + 1).is_err());
}

/// The last layer of e3nn's `FullyConnectedNet` is `x W / sqrt(hidden)` with `W` `[hidden, weights]`, PyTorch's `Linear`
/// is `x W^T`: of both the imported matrix gives what the layer gives, times the sign of the path.
#[test]
fn e3nn_radial_layers_are_imported_with_what_they_multiply_their_weights_by() {
    let irreps: Irreps = "2x0e + 1x1o".parse().unwrap();
    let plan = Product::Full.plan(&irreps, &irreps, 1);
    let (hidden, count) = (5, plan.num_weights());
    let columns = tensor_product_columns(&plan, count).unwrap();
    let weights: Vec<f32> = (0..hidden * count)
        .map(|i| (1.7 * i as f32 + 0.4).sin())
        .collect();
    let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, shape: [usize; 2], bias: bool| {
        let view = |shape: Vec<usize>, bytes| {
            TensorView::new(safetensors::Dtype::F32, shape, bytes).unwrap()
        };
        let mut views = vec![("net.weight", view(shape.to_vec(), &bytes[..]))];
        if bias {
            views.push(("net.bias", view(vec![count], &bytes[..4 * count])));
        }
        fs::write(file(name), safetensors::serialize(views, None).unwrap()).unwrap();
    };
    write("fc.safetensors", [hidden, count], false);
    write("linear.safetensors", [count, hidden], false);
    write("bias.safetensors", [count, hidden], true);
    let import = |name: &str, radial: &[&str]| {
        let (from, out) = (file(name), file("out.safetensors"));
        let mut arguments = vec!["import", "e3nn-tensor-product", &from, "--out", &out];
        arguments.extend([
            "--weight",
            "net.weight",
            "--product",
            "full",
            "--l-max",
            "1",
        ]);
        arguments.extend(["--irreps-in", "2x0e+1x1o", "--irreps-out", "2x0e+1x1o"]);
        arguments.extend(radial);
        let Output { status, stderr, .. } = steerable(&arguments);
        match status.success() {
            false => Err(String::from_utf8(stderr).unwrap()),
            true => {
                let checkpoint = Checkpoint::load(Path::new(&out)).unwrap();
                let weight = checkpoint.get(Group::Model, "weight").unwrap();
                assert_eq!(weight.shape().to_vec(), [hidden, count]);
                Ok(weight.as_slice::<f32>().unwrap().to_vec())
            }
        }
    };
    let expect = |got: &[f32], theirs: &dyn Fn(usize, usize) -> f64| {
        for h in 0..hidden {
            for (place, &(column, sign)) in columns.iter().enumerate() {
                let (got, expected) = (got[h * count + place], sign * theirs(h, column));
                assert!((f64::from(got) - expected).abs() < 1e-7, "{got} {expected}");
            }
        }
    };
    let normalized =
        |h: usize, column: usize| f64::from(weights[h * count + column]) / (hidden as f64).sqrt();
    expect(&import("fc.safetensors", &[]).unwrap(), &normalized);
    let named = ["--radial", "fully-connected-net"];
    expect(&import("fc.safetensors", &named).unwrap(), &normalized);
    let linear = ["--radial", "linear"];
    expect(
        &import("linear.safetensors", &linear).unwrap(),
        &|h, column| f64::from(weights[column * hidden + h]),
    );

    let told = import("linear.safetensors", &[]).unwrap_err();
    assert!(
        told.contains("--radial fully-connected-net") && told.contains(&format!("[{count}, 5]")),
        "{told}"
    );
    let told = import("bias.safetensors", &linear).unwrap_err();
    assert!(told.contains("\"net.bias\""), "{told}");
    // What is imported is for the library, and the program says so.
    import("fc.safetensors", &[]).unwrap();
    for command in ["check", "evaluate"] {
        let done = steerable(&[command, &file("out.safetensors")]);
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(
            !done.status.success() && told.contains("imported weights are for the library"),
            "{told}"
        );
    }
}

/// NVIDIA's weights are imported; each tensor of the state dict that has a counterpart of the same shape or
/// transposed is there with its numbers, and a wrong fuse level is refused with the key.
#[test]
fn nvidia_weights_become_a_checkpoint_and_another_fuse_level_is_refused() {
    let file = golden("nvidia_se3t_pooled.safetensors");
    let out = std::env::temp_dir().join(format!(
        "steerable-nvidia-{}.safetensors",
        std::process::id()
    ));
    let import = |fuse: &str| {
        steerable(&[
            "import",
            "nvidia",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--prefix",
            "param.",
            "--irreps-in",
            "5x0",
            "--irreps-hidden",
            "4x0 + 4x1 + 4x2",
            "--irreps-out",
            "12x0",
            "--edge-scalars",
            "3",
            "--layers",
            "2",
            "--heads",
            "2",
            "--fuse",
            fuse,
        ])
    };
    let done = import("full");
    assert!(!done.status.success());
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        error.contains("graph_modules.2.to_key_value.conv_out.0"),
        "{error}"
    );

    let done = import("partial");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let checkpoint = Checkpoint::load(&out).unwrap();
    let ours = checkpoint.get(Group::Model, "hidden.weight").unwrap();
    let [rows, columns] = ours.shape().to_vec()[..] else {
        panic!("a matrix");
    };
    let ours = ours.clone().convert::<f64>().try_into_vec::<f64>().unwrap();
    let bytes = fs::read(&file).unwrap();
    let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let theirs = theirs.tensor("param.mlp.0.weight").unwrap();
    let theirs: Vec<f64> = theirs
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
        .collect();
    for r in 0..rows {
        for c in 0..columns {
            assert_eq!(ours[r * columns + c], theirs[c * rows + r]);
        }
    }
    let told = steerable(&["info", out.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(
        told.contains("pooled-transformer") && told.contains("4x0 + 4x1 + 4x2"),
        "{told}"
    );
    fs::remove_file(out).ok();
}

/// The tensors of the fixture in the order in which they were put into it, with their shapes.
fn nvidia_names() -> Vec<(String, Vec<usize>)> {
    let mut tensors = Vec::new();
    let mut put = |key: &str, shape: &[usize]| tensors.push((key.to_owned(), shape.to_vec()));
    let net = |put: &mut dyn FnMut(&str, &[usize]), at: &str, rows: usize| {
        for (name, shape) in [
            ("0.weight", &[32, 1][..]),
            ("0.bias", &[32]),
            ("1.weight", &[32]),
            ("1.bias", &[32]),
            ("3.weight", &[32, 32]),
            ("3.bias", &[32]),
            ("4.weight", &[32]),
            ("4.bias", &[32]),
            ("6.weight", &[rows, 32]),
        ] {
            put(&format!("graph_modules.{at}.radial_func.net.{name}"), shape);
        }
    };
    net(&mut put, "0.to_key_value.conv.0,0", 8);
    net(&mut put, "0.to_key_value.conv.0,1", 4);
    put("graph_modules.0.to_query.weights.0", &[2, 2]);
    put("graph_modules.0.project.weights.0", &[2, 4]);
    put("graph_modules.0.project.weights.1", &[2, 2]);
    put("graph_modules.1.group_norm.weight", &[4]);
    put("graph_modules.1.group_norm.bias", &[4]);
    net(&mut put, "2.conv_out.0", 12);
    put("graph_modules.2.to_kernel_self.0", &[3, 2]);
    tensors
}

/// The same numbers as `torch.save` wrote and as safetensors give the same checkpoint, to the bit; each tensor holds
/// what was put into it, in the order of its rows also where PyTorch stored it by columns.
#[test]
fn a_state_dict_of_torch_save_is_read_as_its_safetensors_are() {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let pth = golden("../fixtures/weights/nvidia_names.pth");
    let mut source = Source::open(&Files {
        file: pth.clone(),
        out: PathBuf::new(),
        key: Some("state_dict".into()),
    });
    let tensors = nvidia_names();
    assert_eq!(source.names().unwrap().len(), tensors.len());
    let mut bytes = Vec::new();
    for (n, (key, shape)) in tensors.iter().enumerate() {
        let expected: Vec<f64> = (0..shape.iter().product())
            .map(|i: usize| (((1009 * n + i) % 2048) as f64 - 1024.0) / 4096.0)
            .collect();
        assert_eq!(
            source.tensor(key).unwrap(),
            (shape.clone(), expected.clone()),
            "{key}"
        );
        bytes.push(
            expected
                .iter()
                .flat_map(|&x| (x as f32).to_le_bytes())
                .collect::<Vec<u8>>(),
        );
    }
    let views = tensors.iter().zip(&bytes).map(|((key, shape), bytes)| {
        let view = TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (key, view.unwrap())
    });
    fs::write(
        file("same.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();

    let import = |from: &str, out: &str, more: &[&str]| {
        let sizes = "--irreps-in 2x0 --irreps-hidden 2x0+2x1 --irreps-out 3x0 --edge-scalars 0 --layers 1 --heads 1 \
                     --channels-div 1";
        let mut arguments = vec!["import", "nvidia", from, "--out", out];
        arguments.extend(sizes.split_ascii_whitespace());
        arguments.extend(more);
        let Output { status, stderr, .. } = steerable(&arguments);
        match status.success() {
            true => Ok(Checkpoint::load(Path::new(out)).unwrap()),
            false => Err(String::from_utf8(stderr).unwrap()),
        }
    };
    let (pth, out) = (pth.to_str().unwrap(), file("out.safetensors"));
    let as_told = ["--key", "state_dict", "--pooling", "none"];
    let ours = import(pth, &out, &as_told).unwrap();
    let same = import(&file("same.safetensors"), &out, &["--pooling", "none"]).unwrap();
    let numbers = |checkpoint: &Checkpoint| -> Vec<(String, Vec<u8>)> {
        let tensors = checkpoint.group(Group::Model);
        tensors
            .map(|(name, data)| (name.to_owned(), data.as_bytes().to_vec()))
            .collect()
    };
    assert_eq!(numbers(&ours), numbers(&same));

    let told = import(pth, &out, &[]).unwrap_err();
    assert!(
        told.contains("its keys go with --key state_dict --pooling none"),
        "{told}"
    );
    let whole = fs::read(pth).unwrap();
    fs::write(file("cut.pth"), &whole[..whole.len() / 2]).unwrap();
    let told = import(&file("cut.pth"), &out, &as_told).unwrap_err();
    assert!(
        told.contains("cut.pth cannot be read as a state dict"),
        "{told}"
    );
}

#[test]
fn a_state_dict_of_fuchs_code_is_refused_with_the_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("fuchs.safetensors");
    let bytes = [0_u8; 4];
    let view = TensorView::new(safetensors::Dtype::F32, vec![1], &bytes).unwrap();
    let key = "Gblock.0.GMAB.v.kernel_unary.(0,1).rp.net.0.weight";
    fs::write(&file, safetensors::serialize([(key, view)], None).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let done = steerable(&["import", "nvidia", file, "--out", "/nowhere/x.safetensors"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success());
    assert!(told.contains("Fuchs") && told.contains("signs"), "{told}");
}
