//! Batches of graphs made ahead of their use.

use std::num::NonZero;
use std::sync::Arc;

use burn_dataset::{Dataset, DatasetError, InMemDataset};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use steerable_graph::{Graph, GraphError, Periodicity};
use steerable_irreps::Rotation;
use thiserror::Error;

use crate::{
    BatchBudget, BondKind, EdgeError, EdgeRule, ItemSize, OverBudget, Prefetched, Quantities,
    Sample, edge_bonds, seed_of_part,
};

/// How items become batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoaderConfig {
    /// Which edges an item gets.
    pub edges: EdgeRule,
    /// The most that a batch may hold.
    pub budget: BatchBudget,
    /// Threads that make batches ahead.
    pub workers: NonZero<usize>,
    /// How items are turned.
    pub turns: Turns,
}

/// How items are turned before they are put into a batch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turns {
    /// Not at all.
    #[default]
    None,
    /// Each by an angle of its own about z, uniform.
    AboutZ,
    /// Each by a rotation of its own, uniform over all.
    All,
}

/// Graphs side by side, with all that their items have.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The indices of the items in the data set, `[items]`.
    pub items: Vec<usize>,
    /// The disjoint union of their graphs; [`Graph::node_offsets`] tells whose nodes are whose.
    pub graph: Graph,
    /// `[nodes]`
    pub species: Vec<u8>,
    /// `[nodes, 3]`
    pub positions: Vec<[f64; 3]>,
    /// The kind of bond along each edge, `[edges]`; `None` unless the bonds of all items are known.
    pub edge_bonds: Option<Vec<Option<BondKind>>>,
    /// Those of the items in turn: `[items, scalars]`, `[items, vectors, 3]`, `[nodes, scalars]`,
    /// `[nodes, vectors, 3]`.
    pub inputs: Quantities,
    /// As `inputs`.
    pub targets: Quantities,
    /// `[items]`, or empty if no item has a class.
    pub classes: Vec<u32>,
}

/// Items that do not become batches.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The data set does not give an item.
    #[error("item {item}: {source}")]
    Item {
        /// Its index.
        item: usize,
        /// Why not.
        source: DatasetError,
    },
    /// An item gets no edges.
    #[error("item {item}: {source}")]
    Edges {
        /// Its index.
        item: usize,
        /// Why not.
        source: EdgeError,
    },
    /// An item whose lists do not fit its number of nodes or the other items'.
    #[error("item {item}: {found} {what} for {nodes} nodes, where {expected} were expected")]
    Count {
        /// Its index.
        item: usize,
        /// Its nodes.
        nodes: usize,
        /// What is listed.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// An item with a class beside one without.
    #[error("item {item} {}", if *.has_class { "has a class, others have none" } else { "has no class" })]
    Class {
        /// Its index.
        item: usize,
        /// Whether it has one.
        has_class: bool,
    },
    /// An item is too large for any batch.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The union of graphs is too large for any graph.
    #[error(transparent)]
    Union(#[from] GraphError),
}

/// Makes batches of a data set's items, on threads of its own.
///
/// Edges are found anew for each batch and forgotten with it: memory holds the data set and a few batches.
pub struct Loader {
    dataset: Arc<dyn Dataset<Sample>>,
    sizes: Vec<ItemSize>,
    checksum: String,
    config: LoaderConfig,
}

/// Batches in their order; how many is known beforehand.
pub type Batches = Prefetched<Result<Batch, LoadError>>;

impl Loader {
    /// Goes through the data set once to find how large its items are, on as many threads as there are
    /// workers.
    ///
    /// # Errors
    /// [`LoadError`] if an item cannot be had or gets no edges, or if it has not as many inputs and targets as
    /// the others.
    pub fn new(dataset: Arc<dyn Dataset<Sample>>, config: LoaderConfig) -> Result<Self, LoadError> {
        const AT_ONCE: usize = 256;
        let (shared, edges) = (Arc::clone(&dataset), config.edges);
        let items = dataset.len();
        let chunks = Prefetched::new(
            items.div_ceil(AT_ONCE),
            config.workers.get(),
            move |chunk| {
                let range = chunk * AT_ONCE..((chunk + 1) * AT_ONCE).min(items);
                range.map(|item| measure(&*shared, edges, item)).collect()
            },
        );
        let mut sizes = Vec::with_capacity(items);
        let mut alike = Alike::default();
        let mut sum = Sha256::new();
        for chunk in chunks {
            let chunk: Result<Vec<Measured>, LoadError> = chunk;
            for measured in chunk? {
                alike.check(sizes.len(), &measured)?;
                sum.update(measured.digest);
                sizes.push(measured.size);
            }
        }
        Ok(Self {
            dataset,
            sizes,
            checksum: short(&sum.finalize()),
            config,
        })
    }

    /// The same with a budget that the largest item keeps, where it is larger than the loader's.
    #[must_use]
    pub fn with_room_for_all(mut self) -> Self {
        self.config.budget = self.config.budget.raised_to(&self.sizes);
        self
    }

    /// Of all that the items have, in their order: other items have another one.
    #[must_use]
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// The loader of items in memory.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn in_memory(samples: Vec<Sample>, config: LoaderConfig) -> Result<Self, LoadError> {
        Self::new(Arc::new(InMemDataset::new(samples)), config)
    }

    /// The data set.
    #[must_use]
    pub fn dataset(&self) -> &Arc<dyn Dataset<Sample>> {
        &self.dataset
    }

    /// What each item adds to a batch, `[items]`.
    #[must_use]
    pub fn sizes(&self) -> &[ItemSize] {
        &self.sizes
    }

    /// The batches of the items in their order; for training, of [`crate::shuffled`] items. The seed decides
    /// how items are turned, each item by itself: neither batches nor workers matter. (Where a distance is
    /// the radius to the last digit, a turned item may have an edge more or less than was counted.)
    ///
    /// # Errors
    /// [`LoadError::OverBudget`] if an item alone exceeds the budget; others come with their batch.
    ///
    /// # Panics
    /// If there is no item of an index, or if the system gives no thread.
    pub fn batches(&self, order: &[usize], seed: u64) -> Result<Batches, LoadError> {
        let plan = self.config.budget.batches(order, &self.sizes)?;
        let (plan, dataset) = (Arc::new(plan), Arc::clone(&self.dataset));
        let config = self.config;
        let workers = config.workers.get().min(plan.len().max(1));
        Ok(Prefetched::new(plan.len(), workers, move |batch| {
            collate(&*dataset, &config, &plan[batch], seed)
        }))
    }
}

impl Turns {
    fn turned(self, sample: Sample, item: usize, seed: u64) -> Sample {
        let mut rng = StdRng::seed_from_u64(seed_of_part(seed, item as u64));
        let rotation = match self {
            Self::None => return sample,
            Self::All => Rotation::random(&mut rng),
            Self::AboutZ => {
                let angle = rng.random_range(0.0..std::f64::consts::TAU);
                // A length of one is no degenerate axis.
                Rotation::from_axis_angle([0.0, 0.0, 1.0], angle).unwrap_or(Rotation::identity())
            }
        };
        sample.rotated(&rotation)
    }
}

fn sample(dataset: &dyn Dataset<Sample>, item: usize) -> Result<Sample, LoadError> {
    let sample = dataset.get(item);
    let sample = sample.map_err(|source| LoadError::Item { item, source })?;
    check(
        item,
        sample.len(),
        "positions",
        sample.positions.len(),
        sample.len(),
    )?;
    Ok(sample)
}

/// What an item has, before it is put into a batch.
struct Measured {
    size: ItemSize,
    /// Of all that it has.
    digest: [u8; 32],
    /// Of inputs, then of targets.
    lengths: [[usize; 4]; 2],
    has_class: bool,
}

fn measure(
    dataset: &dyn Dataset<Sample>,
    edges: EdgeRule,
    item: usize,
) -> Result<Measured, LoadError> {
    let sample = sample(dataset, item)?;
    let nodes = sample.len();
    let edges = match (edges, &sample.cell, &sample.bonds) {
        // Known without a graph.
        (EdgeRule::Complete, None, _) => nodes * nodes.saturating_sub(1),
        (EdgeRule::Bonds, _, Some(bonds)) => 2 * bonds.len(),
        _ => {
            let graph = edges.graph(&sample);
            let graph = graph.map_err(|source| LoadError::Edges { item, source })?;
            graph.num_edges()
        }
    };
    Ok(Measured {
        size: ItemSize { nodes, edges },
        digest: digest(&sample),
        lengths: [sample.inputs.lengths(), sample.targets.lengths()],
        has_class: sample.class.is_some(),
    })
}

/// The SHA-256 sum of a sample: each list by its length and its numbers.
fn digest(sample: &Sample) -> [u8; 32] {
    struct Sum(Sha256);
    impl Sum {
        fn length(&mut self, length: usize) {
            self.0.update((length as u64).to_le_bytes());
        }
        fn numbers(&mut self, numbers: &[f64]) {
            self.length(numbers.len());
            for number in numbers {
                self.0.update(number.to_le_bytes());
            }
        }
    }
    let mut sum = Sum(Sha256::new());
    sum.length(sample.species.len());
    sum.0.update(&sample.species);
    sum.numbers(sample.positions.as_flattened());
    if let Some(cell) = &sample.cell {
        sum.numbers(cell.vectors().as_flattened());
        sum.0.update(
            cell.periodicity()
                .map(|along| u8::from(along == Periodicity::Periodic)),
        );
    }
    sum.length(sample.bonds.as_ref().map_or(usize::MAX, Vec::len));
    for bond in sample.bonds.iter().flatten() {
        sum.0.update(bond.atoms[0].to_le_bytes());
        sum.0.update(bond.atoms[1].to_le_bytes());
        sum.0.update([bond.kind as u8]);
    }
    for quantities in [&sample.inputs, &sample.targets] {
        sum.numbers(&quantities.scalars);
        sum.numbers(quantities.vectors.as_flattened());
        sum.numbers(&quantities.node_scalars);
        sum.numbers(quantities.node_vectors.as_flattened());
    }
    sum.length(sample.class.map_or(usize::MAX, |class| class as usize));
    sum.0.finalize().into()
}

/// The first 64 bits of a sum as text; enough to tell two data sets apart.
fn short(sum: &[u8]) -> String {
    let digits: String = sum[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn collate(
    dataset: &dyn Dataset<Sample>,
    config: &LoaderConfig,
    items: &[usize],
    seed: u64,
) -> Result<Batch, LoadError> {
    let mut graphs = Vec::with_capacity(items.len());
    let (mut species, mut positions) = (Vec::new(), Vec::new());
    let mut edge_kinds = Some(Vec::new());
    let (mut inputs, mut targets) = (Quantities::default(), Quantities::default());
    let mut classes = Vec::new();
    for &item in items {
        let sample = config.turns.turned(sample(dataset, item)?, item, seed);
        let graph = config.edges.graph(&sample);
        let graph = graph.map_err(|source| LoadError::Edges { item, source })?;
        match (&mut edge_kinds, &sample.bonds) {
            (Some(kinds), Some(bonds)) => kinds.extend(edge_bonds(&graph, bonds)),
            _ => edge_kinds = None,
        }
        graphs.push(graph);
        species.extend(sample.species);
        positions.extend(sample.positions);
        inputs.append(sample.inputs);
        targets.append(sample.targets);
        classes.extend(sample.class);
    }
    Ok(Batch {
        items: items.to_vec(),
        graph: Graph::try_batch(&graphs)?,
        species,
        positions,
        edge_bonds: edge_kinds,
        inputs,
        targets,
        classes,
    })
}

/// What all items have alike: numbers and vectors of the whole and of each node, and whether a class.
#[derive(Default)]
struct Alike {
    /// Of the first item: inputs, then targets.
    whole: Option<([[usize; 4]; 2], bool)>,
    /// Of the first item with nodes: its nodes, and as above.
    nodes: Option<(usize, [[usize; 4]; 2])>,
}

impl Alike {
    fn check(&mut self, item: usize, measured: &Measured) -> Result<(), LoadError> {
        const WHAT: [[&str; 4]; 2] = [
            [
                "inputs",
                "input vectors",
                "inputs of nodes",
                "input vectors of nodes",
            ],
            [
                "targets",
                "target vectors",
                "targets of nodes",
                "target vectors of nodes",
            ],
        ];
        let nodes = measured.size.nodes;
        let own = (measured.lengths, measured.has_class);
        let (whole, has_class) = *self.whole.get_or_insert(own);
        if has_class != measured.has_class {
            return Err(LoadError::Class {
                item,
                has_class: measured.has_class,
            });
        }
        if nodes > 0 {
            self.nodes.get_or_insert((nodes, measured.lengths));
        }
        for (part, what) in WHAT.iter().enumerate() {
            for (kind, what) in what.iter().enumerate() {
                let expected = match (kind, self.nodes) {
                    (0 | 1, _) => whole[part][kind],
                    (_, Some((first, lengths))) => lengths[part][kind] / first * nodes,
                    (_, None) => 0,
                };
                check(item, nodes, what, measured.lengths[part][kind], expected)?;
            }
        }
        Ok(())
    }
}

fn check(
    item: usize,
    nodes: usize,
    what: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), LoadError> {
    if found == expected {
        return Ok(());
    }
    Err(LoadError::Count {
        item,
        nodes,
        what,
        found,
        expected,
    })
}
