//! What one item gives to a model, and what the model should tell of it.

use steerable_graph::Cell;
use steerable_irreps::Rotation;

use crate::Bond;

/// An item of a data set as a model takes it: plain arrays, in the units that they were asked for in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The kind of each node: atomic numbers, or zeros for points, `[nodes]`.
    pub species: Vec<u8>,
    /// `[nodes, 3]`
    pub positions: Vec<[f64; 3]>,
    /// The cell, if space repeats.
    pub cell: Option<Cell>,
    /// The bonds, each once; `None` where they are not known.
    pub bonds: Option<Vec<Bond>>,
    /// What is given beside species and positions: normals, charges.
    pub inputs: Quantities,
    /// What is to be told.
    pub targets: Quantities,
    /// Index of the class, of classified items.
    pub class: Option<u32>,
}

/// Numbers and vectors, of the whole and of each node. Vectors turn with the item, numbers do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantities {
    /// Numbers of the whole, `[scalars]`.
    pub scalars: Vec<f64>,
    /// Vectors of the whole, `[vectors, 3]`.
    pub vectors: Vec<[f64; 3]>,
    /// Numbers of each node, `[nodes, scalars]`.
    pub node_scalars: Vec<f64>,
    /// Vectors of each node, `[nodes, vectors, 3]`.
    pub node_vectors: Vec<[f64; 3]>,
}

impl Quantities {
    /// How many numbers and vectors there are, in the order of the fields.
    pub(crate) fn lengths(&self) -> [usize; 4] {
        [
            self.scalars.len(),
            self.vectors.len(),
            self.node_scalars.len(),
            self.node_vectors.len(),
        ]
    }

    /// Appends those of another item.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.scalars.append(&mut other.scalars);
        self.vectors.append(&mut other.vectors);
        self.node_scalars.append(&mut other.node_scalars);
        self.node_vectors.append(&mut other.node_vectors);
    }

    fn rotate(&mut self, rotation: &Rotation) {
        for vector in self.vectors.iter_mut().chain(&mut self.node_vectors) {
            *vector = rotation.apply(*vector);
        }
    }
}

impl Sample {
    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.species.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.species.is_empty()
    }

    /// The item turned about the origin, its vectors with it.
    #[must_use]
    pub fn rotated(mut self, rotation: &Rotation) -> Self {
        for position in &mut self.positions {
            *position = rotation.apply(*position);
        }
        self.cell = self.cell.map(|cell| {
            let vectors = cell.vectors().map(|vector| rotation.apply(vector));
            // A turned cell has the volume that it had; rounding is far from what is refused.
            Cell::new(vectors, cell.periodicity()).unwrap_or(cell)
        });
        self.inputs.rotate(rotation);
        self.targets.rotate(rotation);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steerable_graph::Periodicity;

    #[test]
    fn vectors_and_cell_turn_with_the_positions_and_numbers_do_not() {
        let quantities = Quantities {
            scalars: vec![1.0],
            vectors: vec![[1.0, 0.0, 0.0]],
            node_scalars: vec![2.0],
            node_vectors: vec![[0.0, 1.0, 0.0]],
        };
        let cell = Cell::new(
            [[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]],
            [Periodicity::Periodic; 3],
        );
        let sample = Sample {
            species: vec![6],
            positions: vec![[0.0, 0.0, 1.0]],
            cell: Some(cell.unwrap()),
            inputs: quantities.clone(),
            targets: quantities,
            ..Sample::default()
        };
        // A quarter turn about z takes x to y and y to -x.
        let quarter = std::f64::consts::FRAC_PI_2;
        let rotation = Rotation::from_axis_angle([0.0, 0.0, 1.0], quarter).unwrap();
        let rotated = sample.rotated(&rotation);
        let near = |a: [f64; 3], b: [f64; 3]| (0..3).all(|k| (a[k] - b[k]).abs() < 1e-15);
        assert!(near(rotated.positions[0], [0.0, 0.0, 1.0]));
        for quantities in [&rotated.inputs, &rotated.targets] {
            assert!(near(quantities.vectors[0], [0.0, 1.0, 0.0]));
            assert!(near(quantities.node_vectors[0], [-1.0, 0.0, 0.0]));
            assert_eq!(
                (quantities.scalars[0], quantities.node_scalars[0]),
                (1.0, 2.0)
            );
        }
        let vectors = rotated.cell.unwrap().vectors();
        assert!((vectors[0][1] - 2.0).abs() < 1e-15 && (vectors[1][0] + 3.0).abs() < 1e-15);
    }
}
