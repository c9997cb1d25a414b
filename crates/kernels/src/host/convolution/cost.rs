//! Which order is the cheapest for a group of pairs.
//!
//! Counted are multiply-adds, in units of one inside a large matrix product. The factors are measured: they
//! say how much slower work of other kinds runs.

use super::program::{Group, Order};

/// A multiply-add of radial weights that several components share.
const APPLY: f64 = 1.6;
/// Both multiply-adds of a radial weight in the frame: they wait for the weight.
const APPLY_IN_FRAME: f64 = 10.0;
/// A multiply-add with a kernel entry.
const COUPLE: f64 = 3.0;
/// A multiply-add of a short product.
const SHORT: f64 = 1.3;
/// A multiply-add of the folding of a layer.
const FOLD: f64 = 4.0;
/// A component of a feature that enters or leaves a frame, for each component of its degree.
const ROTATE: f64 = 12.0;
/// Finding the frame of an edge.
const FRAME: f64 = 5000.0;

/// How much more than forward the gradients take where radial weights are formed, as against sums over rows.
const GRADIENTS_BY_EDGES: f64 = 1.3;
/// The same in the frames.
const GRADIENTS_IN_FRAMES: f64 = 1.45;

/// Hidden features of a strip that the first cache holds beside what is read with it: 18 KiB in f32.
pub(super) const MOST_HIDDEN: usize = 48;

/// What a radial weight of one edge costs where hidden features that are zero are left out: itself, for each
/// that is not zero and for each component; and a multiply-add with a kernel entry.
struct Sparse {
    weight: f64,
    feature: f64,
    component: f64,
    couple: f64,
}

const SPARSE: Sparse = Sparse {
    weight: 12.9,
    feature: 0.88,
    component: 0.5,
    couple: 4.2,
};

const SPARSE_GRADIENTS: Sparse = Sparse {
    weight: 10.7,
    feature: 0.98,
    component: 0.5,
    couple: 5.5,
};

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// The output.
    Forward,
    /// Gradients, that to the harmonics among them or not.
    Backward { to_harmonics: bool },
}

/// How many edges and rows a convolution has, and how wide its hidden layer is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) edges: usize,
    /// Rows that have edges.
    pub(crate) rows: usize,
    /// Hidden width, counting the bias.
    pub(crate) hidden: usize,
    /// Hidden features that are not zero, in the mean, counting the bias. None where the order that leaves
    /// out the others fits no group, or nothing is known of them.
    pub(crate) active: Option<f64>,
    pub(crate) pass: Pass,
}

impl Size {
    /// The factor of a backward pass.
    fn backward(self, factor: f64) -> f64 {
        match self.pass {
            Pass::Forward => 1.0,
            Pass::Backward { .. } => factor,
        }
    }
}

/// Gives each group the cheapest of the orders that need no frames.
pub(crate) fn choose_without_frames<T>(groups: &mut [Group<'_, T>], size: Size) {
    for group in groups {
        let orders = [Order::EdgeWeights, Order::RowSums, Order::SparseEdgeWeights];
        let cheapest = orders
            .into_iter()
            .min_by(|&a, &b| cost(group, a, size).total_cmp(&cost(group, b, size)));
        group.order = cheapest.expect("there are three orders");
    }
}

fn cost<T>(group: &Group<'_, T>, order: Order, size: Size) -> f64 {
    match order {
        Order::EdgeWeights => by_edges(group, size),
        Order::RowSums => by_rows(group, size),
        Order::SparseEdgeWeights => by_active_hidden(group, size),
        Order::EdgeFrames => in_frames(group, size),
    }
}

/// Moves groups to the frames of the edges, where all that they save there together is more than what
/// the rotations cost.
pub(crate) fn choose_frames<T>(groups: &mut [Group<'_, T>], size: Size) {
    let saves = |group: &Group<'_, T>| {
        let now = match group.order {
            Order::EdgeFrames => Order::EdgeWeights,
            order => order,
        };
        cost(group, now, size) - cost(group, Order::EdgeFrames, size)
    };
    let (mut saved, mut blocks) = (0.0, Vec::new());
    for group in groups.iter().filter(|group| saves(group) > 0.0) {
        saved += saves(group);
        let outputs = group.members.iter().map(|pair| pair.output);
        for block in std::iter::once(group.input).chain(outputs) {
            if !blocks.contains(&block) {
                blocks.push(block);
            }
        }
    }
    let components = |l: usize| 2 * l + 1;
    let rotations = blocks.iter().map(|block| block.dim() * components(block.l));
    let rotations = ROTATE * rotations.sum::<usize>() as f64;
    if saved > size.edges as f64 * (FRAME + rotations) {
        for group in groups.iter_mut().filter(|group| saves(group) > 0.0) {
            group.order = Order::EdgeFrames;
        }
    }
}

fn by_edges<T>(group: &Group<'_, T>, size: Size) -> f64 {
    let components = group.components as f64;
    let applied = size.hidden as f64 + APPLY * components;
    let each = weights(group, group.paths.len()) * applied + COUPLE * kernel_multiply_adds(group);
    size.backward(GRADIENTS_BY_EDGES) * size.edges as f64 * each
}

/// Infinite where the order does not fit.
fn by_active_hidden<T>(group: &Group<'_, T>, size: Size) -> f64 {
    let fits = group.fits_strips(size.pass);
    let Some(active) = size.active.filter(|_| fits) else {
        return f64::INFINITY;
    };
    let components = group.components as f64;
    let sparse = match size.pass {
        Pass::Forward => SPARSE,
        Pass::Backward { .. } => SPARSE_GRADIENTS,
    };
    let each = sparse.weight + sparse.feature * active + sparse.component * components;
    let each =
        weights(group, group.paths.len()) * each + sparse.couple * kernel_multiply_adds(group);
    size.backward(GRADIENTS_BY_EDGES) * size.edges as f64 * each
}

fn by_rows<T>(group: &Group<'_, T>, size: Size) -> f64 {
    let (edges, rows) = (size.edges as f64, size.rows as f64);
    let degree = (edges / rows.max(1.0)).max(1.0);
    let sums = size.hidden as f64 * (group.coupled_len() * group.paths.len()) as f64;
    let channels = group.channels_out() as f64;
    edges * (sums * SHORT * (1.0 + 4.0 / degree) + COUPLE * kernel_multiply_adds(group))
        + rows * sums * channels
}

fn in_frames<T>(group: &Group<'_, T>, size: Size) -> f64 {
    let weights = weights(group, group.frame.joints.len());
    let hidden = size.hidden as f64;
    let fold = FOLD * hidden * weights * group.paths.len() as f64;
    size.backward(GRADIENTS_IN_FRAMES) * size.edges as f64 * weights * (hidden + APPLY_IN_FRAME)
        + fold
}

/// Radial weights of one edge in some parts of a group.
fn weights<T>(group: &Group<'_, T>, parts: usize) -> f64 {
    (parts * group.input.mul * group.channels_out()) as f64
}

/// Multiply-adds with kernel entries of one edge.
fn kernel_multiply_adds<T>(group: &Group<'_, T>) -> f64 {
    let entries: usize = group.paths.iter().map(|path| path.slots.len()).sum();
    (entries * group.input.mul) as f64
}
