//! Batches hold what their items hold, within the budget, whoever makes them.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn_dataset::transform::PartialDataset;
use burn_dataset::{Dataset, InMemDataset};
use steerable_data::{
    Batch, BatchBudget, Bond, BondKind, EdgeRule, EnergyUnit, LoadError, Loader, LoaderConfig,
    Quantities, Sample, SampleKeys, Turns, extxyz, shuffled,
};
use steerable_graph::Graph;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/molecules");
    folder.join(name)
}

fn config(edges: EdgeRule) -> LoaderConfig {
    LoaderConfig {
        edges,
        budget: BatchBudget {
            nodes: 60,
            edges: 2000,
        },
        workers: NonZero::new(2).unwrap(),
        turns: Turns::None,
    }
}

/// Energies, dipoles, charges and forces of the xTB sample.
fn xtb() -> Vec<Sample> {
    let structures = extxyz::read(fixture("xtb_30.extxyz.gz")).unwrap();
    let keys = SampleKeys::of(&structures[0]);
    let samples = structures.iter().map(|structure| keys.sample(structure));
    samples.collect::<Result<_, _>>().unwrap()
}

fn all(loader: &Loader, order: &[usize], seed: u64) -> Vec<Batch> {
    let batches = loader.batches(order, seed).unwrap();
    batches.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_batch_holds_what_its_items_hold_within_the_budget() {
    let samples = xtb();
    let rule = EdgeRule::Radius(3.0.into());
    let loader = Loader::in_memory(samples.clone(), config(rule)).unwrap();
    let order = shuffled(samples.len(), 5);
    let batches = loader.batches(&order, 0).unwrap();
    let promised = batches.len();
    let batches: Vec<Batch> = batches.collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), promised);
    assert!(promised > 3);
    let seen: Vec<_> = batches
        .iter()
        .flat_map(|batch| &batch.items)
        .copied()
        .collect();
    assert_eq!(seen, order);
    for batch in &batches {
        assert!(batch.graph.num_nodes() <= 60 && batch.graph.num_edges() <= 2000);
        let items = batch.items.iter().map(|&item| &samples[item]);
        let graphs: Vec<_> = items
            .clone()
            .map(|item| rule.graph(item).unwrap())
            .collect();
        assert_eq!(batch.graph, Graph::batch(&graphs));
        for ((item, nodes), sample) in (0..).zip(batch.graph.node_offsets().windows(2)).zip(items) {
            let nodes = nodes[0] as usize..nodes[1] as usize;
            assert_eq!(batch.species[nodes.clone()], sample.species);
            assert_eq!(batch.positions[nodes.clone()], sample.positions);
            let (ours, its) = (&batch.targets, &sample.targets);
            assert_eq!(ours.scalars[item], its.scalars[0]);
            assert_eq!(ours.vectors[item], its.vectors[0]);
            assert_eq!(ours.node_scalars[nodes.clone()], its.node_scalars);
            assert_eq!(ours.node_vectors[nodes], its.node_vectors);
        }
        assert!(batch.edge_bonds.is_none() && batch.classes.is_empty());
    }
}

#[test]
fn the_seed_alone_decides_how_an_item_is_turned() {
    let samples = xtb();
    for turns in [Turns::All, Turns::AboutZ] {
        let turned = |workers, nodes, seed| {
            let mut config = config(EdgeRule::Complete);
            config.turns = turns;
            config.workers = NonZero::new(workers).unwrap();
            config.budget.nodes = nodes;
            let loader = Loader::in_memory(samples.clone(), config).unwrap();
            let order: Vec<_> = (0..samples.len()).collect();
            let batches = all(&loader, &order, seed);
            let positions = batches.iter().flat_map(|batch| &batch.positions);
            let forces = batches.iter().flat_map(|batch| &batch.targets.node_vectors);
            (
                positions.copied().collect::<Vec<_>>(),
                forces.copied().collect::<Vec<_>>(),
            )
        };
        let (positions, forces) = turned(1, 60, 3);
        assert_eq!(turned(3, 200, 3), (positions.clone(), forces.clone()));
        assert_ne!(turned(1, 60, 4).0, positions);
        // Lengths, heights and angles between positions and forces stay.
        let own_positions = samples.iter().flat_map(|sample| &sample.positions);
        let own_forces = samples
            .iter()
            .flat_map(|sample| &sample.targets.node_vectors);
        let dot = |a: &[f64; 3], b: &[f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let own = own_positions.zip(own_forces);
        for ((x, f), (own_x, own_f)) in positions.iter().zip(&forces).zip(own) {
            let scale = 1.0 + dot(own_x, own_x) + dot(own_f, own_f);
            assert!((dot(x, f) - dot(own_x, own_f)).abs() < 1e-14 * scale);
            assert!((dot(x, x) - dot(own_x, own_x)).abs() < 1e-14 * scale);
            assert_eq!(
                (x[2] - own_x[2]).abs() < 1e-14 * scale,
                turns == Turns::AboutZ
            );
        }
    }
}

/// Two atoms joined by a bond, with as many numbers as asked for.
fn pair(scalars: usize, node_scalars: usize) -> Sample {
    Sample {
        species: vec![1, 1],
        positions: vec![[0.0; 3], [0.7, 0.0, 0.0]],
        bonds: Some(vec![Bond {
            atoms: [0, 1],
            kind: BondKind::Single,
        }]),
        targets: Quantities {
            scalars: vec![0.5; scalars],
            node_scalars: vec![0.5; node_scalars],
            ..Quantities::default()
        },
        ..Sample::default()
    }
}

#[test]
fn items_that_do_not_fit_each_other_are_refused_by_their_index() {
    let message = |second: Sample| {
        let made = Loader::in_memory(vec![pair(1, 2), second], config(EdgeRule::Bonds));
        made.err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(message(pair(1, 2)), "");
    assert_eq!(
        message(pair(2, 2)),
        "item 1: 2 targets for 2 nodes, where 1 were expected"
    );
    assert!(message(pair(1, 4)).starts_with("item 1: 4 targets of nodes for 2 nodes"));
    let mut sample = pair(1, 2);
    sample.positions.pop();
    assert!(message(sample).starts_with("item 1: 1 positions"));
    let mut sample = pair(1, 2);
    sample.class = Some(0);
    assert_eq!(message(sample), "item 1 has a class, others have none");
    let mut sample = pair(1, 2);
    sample.bonds = None;
    assert_eq!(message(sample), "item 1: its bonds are not known");
    let mut sample = pair(1, 2);
    sample.bonds = Some(vec![Bond {
        atoms: [0, 7],
        kind: BondKind::Single,
    }]);
    let loader = Loader::in_memory(vec![sample], config(EdgeRule::Bonds)).unwrap();
    let batch = loader.batches(&[0], 0).unwrap().next().unwrap();
    assert!(
        matches!(batch, Err(LoadError::Edges { item: 0, .. })),
        "{batch:?}"
    );
    let mut small = config(EdgeRule::Complete);
    small.budget.edges = 1;
    let loader = Loader::in_memory(vec![pair(1, 2)], small).unwrap();
    assert!(matches!(
        loader.batches(&[0], 0),
        Err(LoadError::OverBudget(_))
    ));
    assert_eq!(all(&loader.with_room_for_all(), &[0], 0).len(), 1);
}

#[test]
fn other_items_and_another_order_have_another_checksum() {
    let sum = |samples: &[Sample]| {
        let loader = Loader::in_memory(samples.to_vec(), config(EdgeRule::Complete)).unwrap();
        loader.checksum().to_owned()
    };
    let samples = &xtb()[..5];
    let own = sum(samples);
    assert_eq!(sum(samples), own);
    let mut seen = vec![own, sum(&samples[..4])];
    let mut other = |change: &dyn Fn(&mut Vec<Sample>)| {
        let mut samples = samples.to_vec();
        change(&mut samples);
        let sum = sum(&samples);
        assert!(!seen.contains(&sum), "{sum}");
        seen.push(sum);
    };
    other(&|samples| samples.swap(0, 1));
    other(&|samples| samples[4].species[0] = 9);
    other(&|samples| samples[2].positions[1][0] += 1e-12);
    other(&|samples| samples[3].targets.node_vectors[0][2] += 1e-12);
    other(&|samples| samples[0].bonds = Some(Vec::new()));
    for class in [0, 1] {
        other(&|samples| samples.iter_mut().for_each(|s| s.class = Some(class)));
    }
}

#[test]
fn bonds_lie_along_edges_only_where_all_items_have_them() {
    let mut unknown = pair(1, 2);
    unknown.bonds = None;
    let samples = vec![pair(1, 2), pair(1, 2), unknown];
    let loader = Loader::in_memory(samples, config(EdgeRule::Complete)).unwrap();
    let kinds = |order: &[usize]| all(&loader, order, 0)[0].edge_bonds.clone();
    assert_eq!(kinds(&[0, 1]), Some(vec![Some(BondKind::Single); 4]));
    assert_eq!(kinds(&[0, 2]), None);
    assert!(all(&loader, &[], 0).is_empty());
}

#[test]
fn the_views_of_burn_are_data_sets_too() {
    let view = PartialDataset::new(InMemDataset::new(xtb()), 10, 14);
    let loader = Loader::new(Arc::new(view), config(EdgeRule::Nearest(4))).unwrap();
    assert_eq!((loader.dataset().len(), loader.sizes().len()), (4, 4));
    let batches = all(&loader, &[3, 0], 0);
    assert_eq!(batches[0].items, [3, 0]);
    let first = &xtb()[13];
    assert_eq!(batches[0].species[..first.len()], first.species);
}

#[test]
fn keys_prefer_reference_data_and_convert_energies() {
    let text = "1\nProperties=species:S:1:pos:R:3:forces:R:3:REF_forces:R:3 energy=1 REF_energy=2 \
                dipole=\"1 2 3\"\nH 0 0 0 1 1 1 2 2 2\n";
    let mut frames = extxyz::Options::default()
        .open_source(text.as_bytes(), "text")
        .unwrap();
    let structure = frames.next().unwrap().unwrap();
    let mut keys = SampleKeys::of(&structure);
    assert_eq!(keys.energy.as_deref(), Some("REF_energy"));
    assert_eq!(keys.forces.as_deref(), Some("REF_forces"));
    assert_eq!(
        (keys.dipole.as_deref(), &keys.charges),
        (Some("dipole"), &None)
    );
    keys.unit = EnergyUnit::MilliElectronVolt;
    let targets = keys.sample(&structure).unwrap().targets;
    assert_eq!(targets.scalars, [2000.0]);
    assert_eq!(targets.node_vectors, [[2000.0; 3]]);
    assert_eq!(targets.vectors, [[1.0, 2.0, 3.0]]);
    keys.charges = Some("charges".to_owned());
    assert!(keys.sample(&structure).is_err());
}
