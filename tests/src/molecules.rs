//! Small molecules whose energies and forces are those of a known pair potential.

use std::num::NonZero;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_data::{BatchBudget, EdgeRule, Loader, LoaderConfig, Quantities, Sample, Turns};

/// The elements of the molecules.
pub const SPECIES: [u8; 3] = [1, 6, 8];

/// Radius of the edges, and cutoff of the models, in angstrom.
pub const RADIUS: f64 = 4.0;

/// Molecules of 2 to 7 atoms with energies, forces and a dipole moment.
///
/// A Morse potential between all pairs: 0.3 eV deep, with its minimum at the sum of two radii. The dipole is the
/// sum of fixed charges of the elements, less their mean, times positions.
pub fn molecules(count: usize, seed: u64) -> Vec<Sample> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| molecule(&mut rng)).collect()
}

fn molecule(rng: &mut StdRng) -> Sample {
    let atoms = rng.random_range(2..8);
    let species: Vec<u8> = (0..atoms)
        .map(|_| SPECIES[rng.random_range(0..3)])
        .collect();
    let mut positions: Vec<[f64; 3]> = Vec::with_capacity(atoms);
    while positions.len() < atoms {
        let position = [0; 3].map(|_| rng.random_range(-1.7..1.7));
        if positions
            .iter()
            .all(|&other| distance(position, other) > 0.9)
        {
            positions.push(position);
        }
    }
    let targets = targets(&species, &positions);
    Sample {
        species,
        positions,
        targets,
        ..Sample::default()
    }
}

fn targets(species: &[u8], positions: &[[f64; 3]]) -> Quantities {
    let (mut energy, mut forces) = (0.0, vec![[0.0; 3]; species.len()]);
    for i in 0..species.len() {
        for j in 0..i {
            let length = distance(positions[i], positions[j]);
            let decay = (-1.5 * (length - radius(species[i]) - radius(species[j]))).exp();
            energy += 0.3 * decay * (decay - 2.0);
            let slope = 0.3 * 2.0 * 1.5 * decay * (1.0 - decay);
            for axis in 0..3 {
                let pull = slope * (positions[i][axis] - positions[j][axis]) / length;
                forces[i][axis] -= pull;
                forces[j][axis] += pull;
            }
        }
    }
    let charges: Vec<f64> = species.iter().map(|&kind| radius(kind)).collect();
    let mean = charges.iter().sum::<f64>() / charges.len() as f64;
    let dipole = std::array::from_fn(|axis| {
        let atoms = charges.iter().zip(positions);
        atoms.map(|(charge, x)| (charge - mean) * x[axis]).sum()
    });
    Quantities {
        scalars: vec![energy],
        vectors: vec![dipole],
        node_vectors: forces,
        ..Quantities::default()
    }
}

fn radius(species: u8) -> f64 {
    match species {
        1 => 0.4,
        6 => 0.75,
        _ => 0.65,
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let squares: f64 = (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum();
    squares.sqrt()
}

/// A loader of samples in batches of at most `nodes` nodes, with edges within [`RADIUS`].
///
/// # Panics
/// When the samples do not fit each other or the budget.
pub fn loader(samples: Vec<Sample>, nodes: usize) -> Loader {
    let config = LoaderConfig {
        edges: EdgeRule::Radius(RADIUS.into()),
        budget: BatchBudget {
            nodes,
            edges: 100_000,
        },
        workers: NonZero::<usize>::MIN,
        turns: Turns::None,
    };
    Loader::in_memory(samples, config).expect("the samples are alike")
}

/// All samples in one batch.
///
/// # Panics
/// As [`loader`].
pub fn one_batch(samples: Vec<Sample>) -> steerable_data::Batch {
    let order: Vec<usize> = (0..samples.len()).collect();
    let batches = loader(samples, 100_000).batches(&order, 0);
    let mut batches = batches.expect("the budget is large");
    batches
        .next()
        .expect("there are samples")
        .expect("edges are found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forces_are_the_negative_slope_of_the_energy() {
        for sample in molecules(5, 3) {
            for (atom, force) in sample.targets.node_vectors.iter().enumerate() {
                for (axis, force) in force.iter().enumerate() {
                    let energy = |by: f64| {
                        let mut positions = sample.positions.clone();
                        positions[atom][axis] += by;
                        targets(&sample.species, &positions).scalars[0]
                    };
                    let slope = (energy(1e-5) - energy(-1e-5)) / 2e-5;
                    assert!((force + slope).abs() < 1e-8, "{force} {slope}");
                }
            }
        }
    }
}
