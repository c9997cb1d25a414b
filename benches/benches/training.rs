//! Whole training steps, optimizer included, with the networks of `configs/`: an item is a molecule. A step with
//! forces makes three passes where one without makes one.
//!
//! `cargo bench -p steerable-benches --bench training`; `RAYON_NUM_THREADS` sets the threads.

use std::num::NonZero;

use burn::module::Module;
use burn::tensor::Device;
use divan::Bencher;
use divan::counter::ItemsCount;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable::nn::Pooling;
use steerable_data::{
    Batch, BatchBudget, EdgeRule, Loader, LoaderConfig, Quantities, Sample, Turns,
};
use steerable_train::models::{
    AtomInput, BondInput, NetworkConfig, PotentialConfig, PropertyConfig, Scaling,
};
use steerable_train::tasks::{EnergyAndForcesTask, ForceStep, PropertyTask, Task};
use steerable_train::{AdamConfig, Loss};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SPECIES: [u8; 5] = [1, 6, 7, 8, 9];

fn main() {
    divan::main();
}

/// QM9's size: 18 atoms in a molecule, 32 molecules in a batch.
#[divan::bench]
fn property_of_molecules_like_those_of_qm9(bencher: Bencher) {
    let config = PropertyConfig {
        network: network("48x0e + 24x1o + 12x2e", 15.0),
        input: AtomInput::of_species(SPECIES, BondInput::None),
        width: 64,
        pooling: Pooling::Mean,
        scaling: Scaling::default(),
    };
    let task = PropertyTask {
        name: "property".into(),
        unit: String::new(),
        per_target_unit: 1.0,
        loss: Loss::Absolute,
    };
    steps(
        bencher,
        &task,
        config.init(&Device::flex()).unwrap(),
        32,
        18,
    );
}

/// Ethanol's size: 9 atoms, 10 frames in a batch.
#[divan::bench]
fn energies_of_frames_like_ethanol(bencher: Bencher) {
    let model = potential().init(&Device::flex()).unwrap();
    let task = PropertyTask {
        name: "energy".into(),
        unit: "eV".into(),
        per_target_unit: 1.0,
        loss: Loss::Absolute,
    };
    let config = PropertyConfig {
        network: model.config().network.clone(),
        input: model.config().input.clone(),
        width: model.config().width,
        pooling: Pooling::Sum,
        scaling: Scaling::default(),
    };
    steps(bencher, &task, config.init(&Device::flex()).unwrap(), 10, 9);
}

/// The same with forces.
#[divan::bench]
fn energies_and_forces_of_frames_like_ethanol(bencher: Bencher) {
    let task = EnergyAndForcesTask {
        energy_unit: "eV".into(),
        energy_loss: Loss::Absolute,
        energy_weight: 0.1,
        force_loss: Loss::Absolute,
        force_weight: 1.0,
        step: ForceStep::default(),
    };
    let model = potential().init(&Device::flex()).unwrap();
    steps(bencher, &task, model, 10, 9);
}

fn potential() -> PotentialConfig {
    PotentialConfig {
        network: network("32x0e + 32x1o + 16x2e", 8.0),
        input: AtomInput::of_species(SPECIES, BondInput::None),
        width: 32,
        scaling: Scaling::default(),
    }
}

fn network(hidden: &str, neighbours: f64) -> NetworkConfig {
    NetworkConfig {
        hidden: hidden.parse().expect("irreps"),
        neighbours,
        ..NetworkConfig::default()
    }
}

fn steps<T: Task>(bencher: Bencher, task: &T, model: T::Model, molecules: usize, atoms: usize) {
    let device = Device::flex().autodiff();
    let batch = batch(molecules, atoms);
    let mut model = model.train();
    let mut optimizer = AdamConfig::new().init();
    bencher.counter(ItemsCount::new(molecules)).bench_local(|| {
        let learned = task.learn(&model, &batch, &device).unwrap();
        model = optimizer.step(1e-3, model.clone(), learned.gradients);
    });
}

/// Atoms at random in a ball with the density of small molecules, at least 0.9 angstrom apart.
fn batch(molecules: usize, atoms: usize) -> Batch {
    let mut rng = StdRng::seed_from_u64(1);
    let radius = 1.1 * (atoms as f64).cbrt();
    let samples: Vec<Sample> = (0..molecules)
        .map(|_| {
            let mut positions: Vec<[f64; 3]> = Vec::new();
            while positions.len() < atoms {
                let x: [f64; 3] = [0; 3].map(|_| rng.random_range(-radius..radius));
                let far = |y: &[f64; 3]| square(x, *y) > 0.81;
                if square(x, [0.0; 3]) < radius * radius && positions.iter().all(far) {
                    positions.push(x);
                }
            }
            Sample {
                species: (0..atoms)
                    .map(|_| SPECIES[rng.random_range(0..5)])
                    .collect(),
                positions,
                targets: Quantities {
                    scalars: vec![rng.random_range(-1.0..1.0)],
                    node_vectors: vec![[0.5, -0.2, 0.1]; atoms],
                    ..Quantities::default()
                },
                ..Sample::default()
            }
        })
        .collect();
    let config = LoaderConfig {
        edges: EdgeRule::Radius(5.0.into()),
        budget: BatchBudget {
            nodes: 100_000,
            edges: 1_000_000,
        },
        workers: NonZero::<usize>::MIN,
        turns: Turns::None,
    };
    let order: Vec<usize> = (0..molecules).collect();
    let loader = Loader::in_memory(samples, config).expect("the samples are alike");
    let mut batches = loader.batches(&order, 0).expect("the budget is large");
    batches.next().expect("a batch").expect("edges")
}

fn square(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum()
}
