//! Training does not cost equivariance: errors before and after some steps of Adam, for each degree
//! and precision. With `--nocapture` the tests print the table.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable::irreps::Irreps;
use steerable::nn::{Refinement, SE3Transformer, SE3TransformerConfig, TensorFieldNetworkConfig};
use steerable_testkit::{Precision, Property, Report, SampleKind};
use steerable_tests::cases::Claim;
use steerable_tests::flat::to_vec;
use steerable_tests::parameters::drawn;
use steerable_tests::samples::{InputTypes, Inputs, inputs};
use steerable_tests::{PRECISIONS, device, dtype, irreps};

const STEPS: usize = 40;
const SEED: u64 = 31;

/// Trains on random targets, and returns the first and the last loss.
///
/// The loss must fall by 15 % or more, or nothing was trained.
fn train<M: Module>(
    mut module: M,
    claim: &Claim,
    precision: Precision,
    model: impl Fn(&M, &Inputs) -> Tensor<2>,
) -> (M, f64, f64) {
    let device = device().autodiff();
    let samples: Vec<Inputs> = (100..102)
        .map(|trial| {
            let sample = claim
                .test(precision, SEED)
                .sample(SampleKind::Generic(trial));
            inputs(&sample, &claim.types, precision, &device)
        })
        .collect();
    let mut rng = StdRng::seed_from_u64(SEED);
    let targets: Vec<Tensor<2>> = samples
        .iter()
        .map(|x| target(&mut rng, model(&module, x).dims(), precision, &device))
        .collect();
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let parts = samples.iter().zip(&targets).map(|(x, target)| {
            let difference = model(&module, x) - target.clone();
            (difference.clone() * difference).mean()
        });
        let loss = parts.reduce(|a, b| a + b).expect("there are samples");
        losses.push(to_vec(&loss.clone().detach())[0]);
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        module = optimizer.step(2e-2, module, gradients);
    }
    let (first, last) = (losses[0], losses[STEPS - 1]);
    assert!(
        last < 0.85 * first,
        "the loss went from {first:.3} to {last:.3}"
    );
    (module, first, last)
}

fn target(rng: &mut StdRng, shape: [usize; 2], precision: Precision, device: &Device) -> Tensor<2> {
    let values = (0..shape[0] * shape[1]).map(|_| rng.random_range(-1.0..1.0));
    let data = TensorData::new(values.collect::<Vec<f64>>(), shape);
    Tensor::from_data(data, (device, dtype(precision)))
}

/// The largest error of each property for one output block, before and after.
fn print_rows(name: &str, precision: Precision, before: &Report, after: &Report) {
    for (index, block) in before.signature.irreps_out.iter().enumerate() {
        let worst = |report: &Report, property: Property| {
            report
                .checks
                .iter()
                .filter(|check| check.property == property && check.block_index == index)
                .map(|check| format!("{:.1e}", check.error))
                .next()
                .unwrap_or_else(|| "-".into())
        };
        println!(
            "| {name} | {precision} | {} | {} | {} | {} | {} |",
            block.irrep,
            worst(before, Property::Rotation),
            worst(after, Property::Rotation),
            worst(after, Property::Translation),
            worst(after, Property::Inversion),
        );
    }
}

const HEADER: &str = "| model | dtype | irrep | rotation, untrained | rotation, trained | translation, trained | inversion, trained |\n| --- | --- | --- | --- | --- | --- | --- |";

#[track_caller]
fn check<M: Module>(
    claim: &Claim,
    precision: Precision,
    module: M,
    model: impl Fn(&M, &Inputs) -> Tensor<2>,
) {
    let module = drawn(module, precision, SEED);
    let before = claim.run(precision, SEED, |x| model(&module.clone().valid(), x));
    before.assert_ok();
    let (module, first, last) = train(module, claim, precision, &model);
    let module = module.valid();
    let after = claim.run(precision, SEED, |x| model(&module, x));
    print_rows(&claim.name, precision, &before, &after);
    println!(
        "{}: loss {first:.3} -> {last:.3} in {STEPS} steps",
        claim.name
    );
    after.assert_ok();
}

fn types(irreps_in: &str) -> InputTypes {
    InputTypes {
        irreps_in: irreps(irreps_in),
        ..InputTypes::default()
    }
}

fn features(model: &SE3Transformer, x: &Inputs) -> Tensor<2> {
    model.forward(&x.features, &x.cloud).features.into_packed()
}

#[test]
fn transformers_stay_equivariant_for_every_degree() {
    println!("{HEADER}");
    for l_max in [1, 2, 4, 6] {
        let mul = if l_max > 3 { 2 } else { 4 };
        let irreps_in = irreps("2x0 + 1x1");
        let config = SE3TransformerConfig::new(
            irreps_in,
            Irreps::uniform_so3(mul, l_max),
            Irreps::uniform_so3(1, l_max),
        )
        .with_num_layers(2);
        let name = format!("SE(3)-Transformer, l <= {l_max}");
        let claim = Claim::per_node(name, types("2x0 + 1x1"), Irreps::uniform_so3(1, l_max))
            .with_l_max(2 * l_max);
        for precision in PRECISIONS {
            check(
                &claim,
                precision,
                config.init(&device().autodiff()),
                features,
            );
        }
    }
}

#[test]
fn transformers_in_o3_stay_equivariant() {
    println!("{HEADER}");
    let config = SE3TransformerConfig::new(
        irreps("2x0e + 1x1o + 1x1e"),
        irreps("4x0e + 4x0o + 4x1o + 4x1e + 2x2e"),
        irreps("1x0e + 1x0o + 1x1o + 1x1e + 1x2e"),
    )
    .with_num_layers(2);
    let claim = Claim::per_node(
        "SE(3)-Transformer, O(3)",
        types("2x0e + 1x1o + 1x1e"),
        config.irreps_out.clone(),
    )
    .with_l_max(4);
    for precision in PRECISIONS {
        check(
            &claim,
            precision,
            config.init(&device().autodiff()),
            features,
        );
    }
}

#[test]
fn refining_transformers_stay_equivariant() {
    println!("{HEADER}");
    let config = SE3TransformerConfig::new(
        irreps("2x0 + 1x1"),
        irreps("4x0 + 4x1"),
        irreps("1x0 + 1x1"),
    )
    .with_num_layers(2)
    .with_refinement(Refinement::EveryBlock);
    let claim = Claim::per_node("refining", types("2x0 + 1x1"), irreps("1x0 + 1x1")).with_l_max(2);
    for precision in PRECISIONS {
        check(
            &claim,
            precision,
            config.init(&device().autodiff()),
            features,
        );
    }
}

#[test]
fn tensor_field_networks_stay_equivariant() {
    println!("{HEADER}");
    let config = TensorFieldNetworkConfig::new(
        irreps("2x0e + 1x1o"),
        irreps("4x0e + 4x1o + 4x2e"),
        irreps("1x0e + 1x1o + 1x2e"),
    )
    .with_num_layers(2);
    let claim =
        Claim::per_node("TFN", types("2x0e + 1x1o"), irreps("1x0e + 1x1o + 1x2e")).with_l_max(4);
    for precision in PRECISIONS {
        check(
            &claim,
            precision,
            config.init(&device().autodiff()),
            |model, x| model.forward(&x.features, &x.cloud).into_packed(),
        );
    }
}
