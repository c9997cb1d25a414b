//! Forces are the exact negative gradient of the energy, and the gradient of a loss on them is that of finite
//! differences over the parameters. With `--nocapture` the error of the displacement in f32 is printed.

use burn::module::Module;
use burn::tensor::{DType, Device};
use steerable_data::Batch;
use steerable_testkit::{GradientCheck, GradientClaim, Precision};
use steerable_tests::flat::to_vec;
use steerable_tests::molecules::{RADIUS, SPECIES, molecules, one_batch};
use steerable_tests::parameters::{drawn, of_parameters, read, written};
use steerable_tests::{PRECISIONS, device, dtype};
use steerable_train::Loss;
use steerable_train::models::{
    AtomInput, BondInput, NetworkConfig, NetworkKind, Potential, PotentialConfig, Scaling,
};
use steerable_train::tasks::{EnergyAndForcesTask, ForceStep, Task};

const SEED: u64 = 5;

fn config(kind: NetworkKind) -> PotentialConfig {
    PotentialConfig {
        network: NetworkConfig {
            kind,
            hidden: "4x0e + 2x1o + 2x2e".parse().unwrap(),
            layers: 1,
            heads: 1,
            cutoff: Some(RADIUS),
            radial_functions: 4,
            radial_hidden: vec![5],
            neighbours: 4.0,
        },
        input: AtomInput::of_species(SPECIES, BondInput::None),
        width: 4,
        scaling: Scaling {
            scale: 0.7,
            constant: -1.0,
            of_species: vec![0.1, 0.2, 0.3],
        },
    }
}

fn potential(kind: NetworkKind, precision: Precision) -> Potential {
    drawn(config(kind).init(&device()).unwrap(), precision, SEED)
}

fn task(step: f64) -> EnergyAndForcesTask {
    EnergyAndForcesTask {
        energy_unit: "eV".into(),
        energy_loss: Loss::Square,
        energy_weight: 0.3,
        force_loss: Loss::Square,
        force_weight: 2.0,
        step: ForceStep(step),
    }
}

/// Energies and forces in units of the scale.
fn energies_and_forces(model: &Potential, batch: &Batch, dtype: DType) -> (Vec<f64>, Vec<f64>) {
    let device: Device = device().autodiff();
    let model = model.clone().train();
    let found = model.energy_and_forces(batch, (&device, dtype)).unwrap();
    (to_vec(&found.energies), to_vec(&found.forces))
}

/// The loss of the energies and forces, from its definition.
fn loss(task: &EnergyAndForcesTask, model: &Potential, batch: &Batch) -> f64 {
    let (energies, forces) = energies_and_forces(model, batch, DType::F64);
    let scaling = &model.config().scaling;
    let offsets = model.config().input.offsets(batch, scaling).unwrap();
    let mean_square =
        |residuals: Vec<f64>| residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64;
    let truth = batch.targets.scalars.iter().zip(offsets);
    let of_energies = energies
        .iter()
        .zip(truth)
        .map(|(energy, (truth, offset))| energy - (truth - offset) / scaling.scale);
    let truth = batch.targets.node_vectors.as_flattened();
    let of_forces = forces
        .iter()
        .zip(truth)
        .map(|(force, truth)| force - truth / scaling.scale);
    task.energy_weight * mean_square(of_energies.collect())
        + task.force_weight * mean_square(of_forces.collect())
}

#[test]
fn the_gradient_of_the_loss_is_that_of_finite_differences_over_all_parameters() {
    // Not the transformer: its forces jump where a norm's ReLU begins, and finite differences with them.
    for kind in [NetworkKind::ChannelWise, NetworkKind::TensorField] {
        let batch = one_batch(molecules(3, SEED));
        let model = potential(kind, Precision::F64).train();
        // Small, since rounding is small in f64 and the error of the displacement grows with its square.
        let task = task(1e-5);
        let learned = task.learn(&model, &batch, &device().autodiff()).unwrap();
        let expected = loss(&task, &model.clone().valid(), &batch);
        assert!((learned.loss - expected).abs() < 1e-13 * expected);

        let (at, gradient) = (read(&model), of_parameters(&model, &learned.gradients));
        let claim = GradientClaim {
            at: &at,
            gradient: &gradient,
        };
        let module = model.valid();
        let report = GradientCheck::new().run(claim, |parameters| {
            loss(&task, &written(module.clone(), parameters), &batch)
        });
        println!(
            "{kind:?}: {} parameters, relative error {:.1e}",
            at.len(),
            report.error
        );
        assert!(report.error < 1e-6, "{kind:?}: {report}");
    }
}

#[test]
fn forces_are_the_negative_gradient_of_the_energy() {
    let batch = one_batch(molecules(3, SEED));
    for kind in [NetworkKind::ChannelWise, NetworkKind::Transformer] {
        let model = potential(kind, Precision::F64);
        let (_, forces) = energies_and_forces(&model, &batch, DType::F64);
        let gradient: Vec<f64> = forces.iter().map(|force| -force).collect();
        let claim = GradientClaim {
            at: batch.positions.as_flattened(),
            gradient: &gradient,
        };
        let report = GradientCheck::new().run(claim, |positions| {
            let mut batch = batch.clone();
            batch.positions = positions.as_chunks().0.to_vec();
            energies_and_forces(&model, &batch, DType::F64)
                .0
                .iter()
                .sum()
        });
        report.assert_ok();
        println!("{kind:?}: relative error {:.1e}", report.error);
    }
}

#[test]
fn molecules_neither_push_nor_turn_themselves() {
    let batch = one_batch(molecules(6, SEED));
    for precision in PRECISIONS {
        let model = potential(NetworkKind::ChannelWise, precision);
        let (_, forces) = energies_and_forces(&model, &batch, dtype(precision));
        let forces = forces.as_chunks::<3>().0;
        let mut worst = [0.0_f64; 2];
        for nodes in batch.graph.node_offsets().windows(2) {
            let nodes = nodes[0] as usize..nodes[1] as usize;
            let (mut force, mut torque, mut size) = ([0.0; 3], [0.0; 3], [0.0; 2]);
            for (f, x) in forces[nodes.clone()].iter().zip(&batch.positions[nodes]) {
                let turn = cross(*x, *f);
                for axis in 0..3 {
                    force[axis] += f[axis];
                    torque[axis] += turn[axis];
                }
                size[0] += norm(*f);
                size[1] += norm(*f) * norm(*x);
            }
            worst[0] = worst[0].max(norm(force) / size[0]);
            worst[1] = worst[1].max(norm(torque) / size[1]);
        }
        println!(
            "{precision}: net force {:.1e}, net torque {:.1e}",
            worst[0], worst[1]
        );
        let epsilon = match precision {
            Precision::F32 => f64::from(f32::EPSILON),
            Precision::F64 => f64::EPSILON,
        };
        assert!(
            worst.iter().all(|error| *error < 64.0 * epsilon),
            "{worst:?}"
        );
    }
}

#[test]
fn the_default_displacement_serves_in_f32() {
    let batch = one_batch(molecules(20, SEED));
    let config = PotentialConfig {
        network: NetworkConfig {
            cutoff: Some(RADIUS),
            ..NetworkConfig::default()
        },
        width: 32,
        ..config(NetworkKind::ChannelWise)
    };
    device().seed(SEED);
    let single = config.init(&device()).unwrap().train();
    let double = drawn(single.clone(), Precision::F64, SEED);
    let double = written(double, &read(&single));
    let gradient = |model: &Potential, step: f64| {
        let task = EnergyAndForcesTask {
            energy_weight: 0.0,
            ..task(step)
        };
        let learned = task.learn(model, &batch, &device().autodiff()).unwrap();
        of_parameters(model, &learned.gradients)
    };
    let exact = gradient(&double, 1e-5);
    let error = |found: Vec<f64>| {
        let difference = found.iter().zip(&exact).map(|(a, b)| (a - b).powi(2));
        let size = exact.iter().map(|x| x * x).sum::<f64>();
        (difference.sum::<f64>() / size).sqrt()
    };
    println!("| displacement, angstrom | f32 | f64 |\n| --- | --- | --- |");
    let default = ForceStep::default().0;
    for step in [1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2] {
        let errors = [&single, &double].map(|model| error(gradient(model, step)));
        println!("| {step} | {:.1e} | {:.1e} |", errors[0], errors[1]);
        if step == default {
            assert!(errors[0] < 3e-3, "{}", errors[0]);
        }
    }
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|axis| {
        let (j, k) = ((axis + 1) % 3, (axis + 2) % 3);
        a[j] * b[k] - a[k] * b[j]
    })
}

fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}
