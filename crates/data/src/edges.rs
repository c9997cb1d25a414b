//! Which edges an item gets.

use serde::{Deserialize, Serialize};
use steerable_graph::{Edge, Graph, GraphError, RadiusConfig};
use thiserror::Error;

use crate::{Bond, BondKind, Sample};

/// By what rule nodes hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeRule {
    /// Every node hears every other one.
    Complete,
    /// Atoms hear those that they are bound to.
    Bonds,
    /// Nodes hear those within a radius, in the unit of the positions; through the faces of a cell too.
    Radius(RadiusConfig),
    /// Nodes hear this many nearest others.
    Nearest(usize),
}

/// An item for which a rule gives no edges.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum EdgeError {
    /// Its bonds are asked for and not known.
    #[error("its bonds are not known")]
    NoBonds,
    /// It has a cell, and only a radius looks through its faces.
    #[error("it has a cell, which only edges within a radius take into account")]
    Cell,
    /// Its positions or its number of edges are none for a graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl EdgeRule {
    /// The graph of an item.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub fn graph(&self, sample: &Sample) -> Result<Graph, EdgeError> {
        let positions = &sample.positions;
        match (self, &sample.cell) {
            (Self::Radius(config), Some(cell)) => {
                Ok(Graph::periodic_radius(positions, cell, *config)?)
            }
            (Self::Complete | Self::Nearest(_), Some(_)) => Err(EdgeError::Cell),
            (Self::Radius(config), None) => Ok(Graph::radius(positions, *config)?),
            (Self::Nearest(count), None) => Ok(Graph::knn(positions, *count)?),
            (Self::Complete, None) => Ok(Graph::try_complete(sample.len())?),
            (Self::Bonds, _) => {
                let bonds = sample.bonds.as_ref().ok_or(EdgeError::NoBonds)?;
                let both = bonds.iter().flat_map(|bond| {
                    let [src, dst] = bond.atoms;
                    [Edge { src, dst }, Edge { src: dst, dst: src }]
                });
                Ok(Graph::from_edges(sample.len(), &both.collect::<Vec<_>>())?)
            }
        }
    }
}

impl BondKind {
    /// The four kinds in their order.
    pub const ALL: [Self; 4] = [Self::Single, Self::Double, Self::Triple, Self::Aromatic];

    /// One at the place of the kind, zeros elsewhere; all zeros for no bond.
    #[must_use]
    pub fn one_hot(kind: Option<Self>) -> [f32; 4] {
        Self::ALL.map(|known| f32::from(u8::from(kind == Some(known))))
    }
}

/// The kind of bond along each edge; `None` where there is none, or where the edge goes through a face of
/// the cell.
///
/// # Shapes
/// `[num_edges]`
#[must_use]
pub fn edge_bonds(graph: &Graph, bonds: &[Bond]) -> Vec<Option<BondKind>> {
    let mut sorted: Vec<_> = bonds.iter().map(|bond| (bond.atoms, bond.kind)).collect();
    sorted.sort_unstable();
    let ends = graph.src().iter().zip(graph.dst());
    let kind = |(edge, (&src, &dst)): (usize, (&u32, &u32))| {
        let is_outside = graph.images().is_some_and(|images| images[edge] != [0; 3]);
        let atoms = [src.min(dst), src.max(dst)];
        let place = sorted.binary_search_by_key(&atoms, |bond| bond.0);
        place
            .ok()
            .filter(|_| !is_outside)
            .map(|place| sorted[place].1)
    };
    ends.enumerate().map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use steerable_graph::Cell;

    fn formaldehyde() -> Sample {
        let bond = |a, b, kind| Bond {
            atoms: [a, b],
            kind,
        };
        Sample {
            species: vec![6, 8, 1, 1],
            positions: vec![
                [0.0, 0.0, 0.0],
                [1.2, 0.0, 0.0],
                [-0.6, 0.9, 0.0],
                [-0.6, -0.9, 0.0],
            ],
            bonds: Some(vec![
                bond(0, 1, BondKind::Double),
                bond(0, 2, BondKind::Single),
                bond(0, 3, BondKind::Single),
            ]),
            ..Sample::default()
        }
    }

    #[test]
    fn each_rule_gives_its_edges_and_bonds_lie_along_those_that_they_join() {
        let sample = formaldehyde();
        let bonds = sample.bonds.clone().unwrap();
        let counts = [
            (EdgeRule::Complete, 12, 6),
            (EdgeRule::Bonds, 6, 6),
            (EdgeRule::Radius(1.25.into()), 6, 6),
            (EdgeRule::Radius(1.15.into()), 4, 4),
            (EdgeRule::Nearest(1), 4, 4),
        ];
        for (rule, edges, bound) in counts {
            let graph = rule.graph(&sample).unwrap();
            assert_eq!(graph.num_edges(), edges, "{rule:?}");
            let kinds = edge_bonds(&graph, &bonds);
            assert_eq!(kinds.iter().flatten().count(), bound, "{rule:?}");
            for (edge, kind) in kinds.iter().enumerate() {
                let mut ends = [graph.src()[edge], graph.dst()[edge]];
                ends.sort_unstable();
                assert_eq!(ends == [0, 1], *kind == Some(BondKind::Double));
            }
        }
    }

    #[test]
    fn an_edge_through_a_face_carries_no_bond_and_a_cell_wants_a_radius() {
        let mut sample = formaldehyde();
        sample.cell =
            Some(Cell::periodic([[3.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]).unwrap());
        // Carbon and oxygen are 1.2 A apart inside, and 1.8 A through a face.
        let graph = EdgeRule::Radius(1.85.into()).graph(&sample).unwrap();
        let kinds = edge_bonds(&graph, sample.bonds.as_ref().unwrap());
        let double = kinds.iter().filter(|kind| **kind == Some(BondKind::Double));
        assert_eq!(double.count(), 2);
        let ends = graph.src().iter().zip(graph.dst());
        assert_eq!(ends.filter(|(src, dst)| **src + **dst == 1).count(), 4);
        assert_eq!(EdgeRule::Complete.graph(&sample), Err(EdgeError::Cell));
        sample.bonds = None;
        assert_eq!(EdgeRule::Bonds.graph(&sample), Err(EdgeError::NoBonds));
    }

    #[test]
    fn kinds_of_bonds_are_one_hot() {
        assert_eq!(
            BondKind::one_hot(Some(BondKind::Triple)),
            [0.0, 0.0, 1.0, 0.0]
        );
        assert_eq!(BondKind::one_hot(None), [0.0; 4]);
    }
}
