//! The models of `steerable-train` are equivariant before and after training, in f32 and f64. With `--nocapture`
//! the tests print the errors.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable::graph::Graph;
use steerable::irreps::Rotation;
use steerable::nn::Pooling;
use steerable_data::{Batch, BondKind, Quantities, Sample as Item};
use steerable_testkit::{OutputKind, Precision, Property, Sample};
use steerable_tests::cases::Claim;
use steerable_tests::flat::to_vec;
use steerable_tests::molecules::{SPECIES, molecules, one_batch};
use steerable_tests::parameters::drawn;
use steerable_tests::samples::{InputTypes, graph_of};
use steerable_tests::{PRECISIONS, device, dtype, irreps};
use steerable_train::models::{
    AtomInput, BondInput, ModelError, NetworkConfig, NetworkKind, PointNetConfig, PotentialConfig,
    PropertyConfig, Scaling, ShapeClassifierConfig, VectorConfig, VectorTarget,
};
use steerable_train::tasks::{
    Classification, DirectVectors, EnergyAndForcesTask, ForceStep, PropertyTask, Task,
};
use steerable_train::{AdamConfig, Loss, clip_global_norm, rotation_error};

const STEPS: usize = 30;
const SEED: u64 = 17;

fn network(kind: NetworkKind, hidden: &str) -> NetworkConfig {
    NetworkConfig {
        kind,
        hidden: irreps(hidden),
        layers: 2,
        heads: 1,
        cutoff: Some(6.0),
        radial_hidden: vec![8],
        neighbours: 4.0,
        ..NetworkConfig::default()
    }
}

fn atoms(bonds: BondInput) -> AtomInput {
    AtomInput::of_species(SPECIES, bonds)
}

/// A sample of the test kit as a batch. Elements and bonds follow from the numbers of edges, so they move with
/// their nodes.
fn batch_of(sample: &Sample) -> Batch {
    let (graph, _) = graph_of(sample);
    let degrees = graph.in_degrees();
    let species = degrees.iter().map(|&degree| SPECIES[degree as usize % 3]);
    let ends = graph.src().iter().zip(graph.dst());
    let bonds = ends.map(|(&src, &dst)| {
        let number = (degrees[src as usize] + degrees[dst as usize]) as usize % 5;
        BondKind::ALL.get(number).copied()
    });
    Batch {
        items: (0..sample.num_graphs()).collect(),
        species: species.collect(),
        positions: sample.positions.clone(),
        edge_bonds: Some(bonds.collect()),
        inputs: Quantities::default(),
        targets: Quantities::default(),
        classes: Vec::new(),
        graph,
    }
}

/// Molecules to train on: with bonds between neighbours of the same element, and the number of atoms as class.
fn training_batch() -> Batch {
    let mut batch = one_batch(molecules(6, SEED));
    let ends = batch.graph.src().iter().zip(batch.graph.dst());
    let bonds = ends.map(|(&src, &dst)| {
        let alike = batch.species[src as usize] == batch.species[dst as usize];
        alike.then_some(BondKind::Single)
    });
    batch.edge_bonds = Some(bonds.collect());
    let sizes = batch.graph.node_offsets().windows(2);
    batch.classes = sizes.map(|nodes| (nodes[1] - nodes[0]) % 3).collect();
    batch
}

fn trained<T: Task>(task: &T, model: T::Model) -> (T::Model, [f64; 2]) {
    let batch = training_batch();
    let device = device().autodiff();
    let mut model = model.train();
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let learned = task.learn(&model, &batch, &device).unwrap();
        losses.push(learned.loss);
        let (gradients, _) = clip_global_norm(&model, learned.gradients, 10.0);
        model = optimizer.step(1e-2, model, gradients);
    }
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    (model.valid(), [losses[0], lowest])
}

/// What a model says of a batch.
type Forward<M> = fn(&M, &Batch, (&Device, DType)) -> Result<Tensor<2>, ModelError>;

/// Tests a model before and after training.
fn check<T: Task>(
    (name, task): (&str, &T),
    (irreps_out, output): (&str, OutputKind),
    make: impl Fn() -> T::Model,
    forward: Forward<T::Model>,
) {
    let claim = Claim::per_node(name, InputTypes::default(), irreps(irreps_out))
        .with_output(output)
        .with_l_max(2);
    for precision in PRECISIONS {
        let run = |model: &T::Model| {
            claim.test(precision, SEED).run(|sample| {
                let options = (&device(), dtype(precision));
                to_vec(&forward(model, &batch_of(sample), options).unwrap())
            })
        };
        let model = drawn(make(), precision, SEED);
        let before = run(&model);
        before.assert_ok();
        let (model, [first, lowest]) = trained(task, model);
        assert!(lowest < 0.85 * first, "{name}: {first} -> {lowest}");
        let after = run(&model);
        after.assert_ok();
        let errors = [&before, &after].map(|report| report.error(Property::Rotation).unwrap());
        println!(
            "{name}, {precision}: loss {first:.3} -> {lowest:.3}, rotation {:.1e} -> {:.1e}",
            errors[0], errors[1]
        );
    }
}

#[test]
fn properties_are_invariant() {
    let task = PropertyTask {
        name: "energy".into(),
        unit: "eV".into(),
        per_target_unit: 1.0,
        loss: Loss::Square,
    };
    for (kind, pooling) in [
        (NetworkKind::ChannelWise, Pooling::Sum),
        (NetworkKind::TensorField, Pooling::Mean),
        (NetworkKind::Transformer, Pooling::Max),
    ] {
        let config = PropertyConfig {
            network: network(kind, "4x0 + 4x1 + 2x2"),
            input: atoms(BondInput::Kinds),
            width: 6,
            pooling,
            scaling: Scaling::default(),
        };
        check(
            (&format!("property, {kind:?}"), &task),
            ("1x0", OutputKind::PerGraph),
            || config.init(&device()).unwrap(),
            steerable_train::models::PropertyModel::forward,
        );
    }
}

#[test]
fn energies_are_invariant_and_forces_turn() {
    let task = EnergyAndForcesTask {
        energy_unit: "eV".into(),
        energy_loss: Loss::Square,
        energy_weight: 1.0,
        force_loss: Loss::Square,
        force_weight: 1.0,
        step: ForceStep::default(),
    };
    let config = PotentialConfig {
        network: network(NetworkKind::ChannelWise, "4x0e + 4x1o + 2x2e"),
        input: atoms(BondInput::None),
        width: 6,
        scaling: Scaling::default(),
    };
    check(
        ("energy", &task),
        ("1x0e", OutputKind::PerGraph),
        || config.init(&device()).unwrap(),
        |model, batch, options| {
            let (features, cloud) = model.input(batch, options)?;
            Ok(model.energies(&features, &cloud))
        },
    );
    check(
        ("forces", &task),
        ("1x1o", OutputKind::PerNode),
        || config.init(&device()).unwrap(),
        |model, batch, (device, dtype)| {
            let model = model.clone().train();
            let options = (&device.clone().autodiff(), dtype);
            Ok(model.energy_and_forces(batch, options)?.forces)
        },
    );
}

#[test]
fn vectors_turn() {
    let task = DirectVectors {
        name: "vectors".into(),
        unit: String::new(),
        loss: Loss::Square,
    };
    for (target, output) in [
        (VectorTarget::Atoms, OutputKind::PerNode),
        (VectorTarget::Molecule, OutputKind::PerGraph),
    ] {
        let config = VectorConfig {
            network: network(NetworkKind::ChannelWise, "4x0e + 4x1o + 2x2e"),
            input: atoms(BondInput::None),
            target,
            scale: 1.0,
        };
        check(
            (&format!("vectors, {target:?}"), &task),
            ("1x1o", output),
            || config.init(&device()).unwrap(),
            steerable_train::models::VectorModel::forward,
        );
    }
}

#[test]
fn classes_of_shapes_are_invariant() {
    for kind in [NetworkKind::ChannelWise, NetworkKind::Transformer] {
        let config = ShapeClassifierConfig {
            network: network(kind, "4x0 + 4x1 + 2x2"),
            width: 6,
            classes: 3,
        };
        check(
            (&format!("shapes, {kind:?}"), &Classification::default()),
            ("3x0", OutputKind::PerGraph),
            || config.init(&device()).unwrap(),
            |model, batch, options| Ok(model.forward(batch, options)),
        );
    }
}

#[test]
fn a_point_net_is_not_equivariant_and_its_error_tells() {
    let config = PointNetConfig {
        widths: vec![8, 8],
        classes: 3,
    };
    let task = Classification::default();
    let (model, _) = trained(&task, drawn(config.init(&device()), Precision::F32, SEED));
    let rotation = Rotation::random(&mut StdRng::seed_from_u64(SEED));
    let error = rotation_error(&task, &model, &training_batch(), &rotation, &device());
    assert!(error.unwrap().is_some_and(|error| error > 0.05));
}

#[test]
fn what_a_model_does_not_know_is_told() {
    let config = PropertyConfig {
        network: network(NetworkKind::ChannelWise, "4x0 + 4x1"),
        input: atoms(BondInput::Kinds),
        width: 6,
        pooling: Pooling::Sum,
        scaling: Scaling::default(),
    };
    let model = config.init(&device()).unwrap();
    let item = |species: Vec<u8>| Item {
        positions: vec![[0.0; 3]; species.len()],
        species,
        ..Item::default()
    };
    let forward = |batch: &Batch| model.forward(batch, (&device(), DType::F32)).unwrap_err();
    let batch = one_batch(vec![item(vec![6]), item(vec![9])]);
    assert_eq!(
        forward(&batch).to_string(),
        "item 1 holds F, the model knows H, C, O only"
    );
    let batch = Batch {
        edge_bonds: None,
        graph: Graph::batch(&[Graph::complete(1)]),
        ..one_batch(vec![item(vec![6])])
    };
    assert_eq!(
        forward(&batch).to_string(),
        "kinds of bonds are needed and not there"
    );
    let potential = PotentialConfig {
        network: NetworkConfig {
            cutoff: None,
            ..config.network
        },
        input: atoms(BondInput::None),
        width: 6,
        scaling: Scaling::default(),
    };
    let error = potential.init(&device()).unwrap_err().to_string();
    assert!(
        error.starts_with("network.cutoff = none: expected a length"),
        "{error}"
    );
}
