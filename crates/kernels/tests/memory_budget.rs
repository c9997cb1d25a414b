//! A memory budget is kept. A test binary of its own: its allocator counts what all of a process holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{DType, Device, Distribution, Tensor};
use steerable_harmonics::plan::{ConvolutionPlan, PathNormalization, PlanOptions, RadialSharing};
use steerable_irreps::Irreps;
use steerable_kernels::{
    Activation, AttentionPlan, EdgeList, MessageAttention, MessageConvolution, MessageInputs,
    MessageParameters, MessagePlan, RadialLayerOptions, RadialStack, RadialStackLayer, Reduction,
    pass_messages,
};

const NODES: usize = 1_000;
const NEIGHBOURS: usize = 64;
const EDGES: usize = NODES * NEIGHBOURS;
const INVARIANTS: usize = 8;
const HIDDEN: usize = 64;
const MIB: usize = 1 << 20;

/// What a thread works on: tiles of edges, packed weights, and the gradients to source features of the edges in
/// flight.
const TILES: usize = MIB / 2;

/// The system's allocator; counts what is held, and the most that was.
struct Counting {
    held: AtomicUsize,
    most: AtomicUsize,
}

// SAFETY: every call is handed to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = self.held.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        self.most.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise about the layout is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.held.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the memory came from `alloc` above with this layout, hence from the system's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting {
    held: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
};

/// The most that is held during `work` beyond what was held before, in bytes.
fn peak<R>(work: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATOR.held.load(Ordering::Relaxed);
    ALLOCATOR.most.store(before, Ordering::Relaxed);
    let result = work();
    (ALLOCATOR.most.load(Ordering::Relaxed) - before, result)
}

struct Case {
    edges: Arc<EdgeList>,
    inputs: MessageInputs,
    plan: MessagePlan,
}

impl Case {
    fn new(is_attention: bool) -> Self {
        let src: Vec<u32> = (0..EDGES).map(|e| (e * 7919 % NODES) as u32).collect();
        let offsets: Vec<u32> = (0..=NODES).map(|i| (i * NEIGHBOURS) as u32).collect();
        let irreps: Irreps = "8x0 + 8x1 + 8x2".parse().expect("irreps");
        let messages = match is_attention {
            true => irreps.concat(&irreps).expect("one group"),
            false => irreps.clone(),
        };
        let options = PlanOptions {
            l_filter_max: None,
            normalization: PathNormalization::FanIn,
            sharing: RadialSharing::Shared,
        };
        let plan = Arc::new(ConvolutionPlan::full(&irreps, &messages, options));
        let layer = |d_input: usize| RadialStackLayer {
            weight: [d_input, HIDDEN],
            has_bias: true,
            has_norm: true,
            options: RadialLayerOptions {
                groups: 1,
                norm_width: HIDDEN,
                epsilon: 1e-5,
                activation: Activation::Silu,
            },
        };
        let hidden = RadialStack {
            d_input: INVARIANTS,
            networks: 1,
            layers: vec![layer(INVARIANTS), layer(HIDDEN)],
        };
        let device = Device::flex().autodiff();
        let range = Distribution::Uniform(-1.0, 1.0);
        let random = |shape: [usize; 2]| {
            Tensor::<2>::random(shape, range, (&device, DType::F32)).require_grad()
        };
        let parameters = [hidden.num_parameters()];
        let inputs = MessageInputs {
            features: random([NODES, irreps.dim()]),
            edge_features: None,
            harmonics: random([EDGES, (plan.l_filter_max() + 1).pow(2)]),
            invariants: random([EDGES, INVARIANTS]),
            value: MessageParameters {
                hidden: Tensor::<1>::random(parameters, range, (&device, DType::F32))
                    .require_grad(),
                weight: random([HIDDEN, plan.num_weights()]),
            },
            attention: is_attention.then(|| MessageAttention {
                query: random([NODES, irreps.dim()]),
                envelope: None,
                key: None,
            }),
        };
        let reduction = match is_attention {
            true => Reduction::Attend {
                key: None,
                plan: Arc::new(AttentionPlan::new(&irreps, &irreps, 2, 0.1)),
            },
            false => Reduction::Sum,
        };
        Self {
            edges: Arc::new(EdgeList::new(&src, &offsets)),
            inputs,
            plan: MessagePlan {
                value: MessageConvolution { hidden, plan },
                reduction,
            },
        }
    }

    /// Peak of a forward and a backward pass, in bytes.
    fn peak_within(&self, budget: u64) -> usize {
        let (peak, grads) = peak(|| {
            let (inputs, plan) = (self.inputs.clone(), self.plan.clone());
            let out = pass_messages(inputs, &self.edges, budget, plan).expect("enough");
            out.sum().backward()
        });
        assert!(self.inputs.harmonics.grad(&grads).is_some());
        assert!(self.inputs.value.weight.grad(&grads).is_some());
        peak
    }

    /// Bytes of what is there whatever the budget: the gradients to all inputs, those of a slab to the
    /// features and parameters before they are added, output and its gradient, and for each thread its
    /// [`TILES`] and one gradient to the last layer.
    fn fixed(&self) -> usize {
        let of = |tensor: &Tensor<2>| tensor.shape().num_elements();
        let inputs = &self.inputs;
        let query = inputs.attention.as_ref().map_or(0, |a| of(&a.query));
        let on_edges = of(&inputs.harmonics) + of(&inputs.invariants);
        let output = 3 * NODES * inputs.features.dims()[1];
        let threads = rayon::current_num_threads();
        let weight = (4 + threads) * of(&inputs.value.weight);
        let numbers = on_edges + query + output + 3 * of(&inputs.features) + weight;
        numbers * size_of::<f32>() + threads * TILES
    }
}

#[test]
fn the_peak_stays_below_the_budget_and_what_inputs_and_outputs_take() {
    for (name, is_attention) in [("convolution", false), ("attention", true)] {
        let case = Case::new(is_attention);
        let fixed = case.fixed();
        // Once before anything is measured: the threads' own memory.
        let at_once = case.peak_within(u64::MAX);
        let mib = |bytes: usize| bytes as f64 / MIB as f64;
        for budget in [4 * MIB, 16 * MIB] {
            let peak = case.peak_within(budget as u64);
            println!(
                "{name}, {EDGES} edges: peak {:.1} MiB within a budget of {:.0} MiB and {:.1} MiB of fixed size; in one slab {:.1} MiB",
                mib(peak),
                mib(budget),
                mib(fixed),
                mib(at_once)
            );
            assert!(
                peak <= budget + fixed,
                "{name}: {peak} bytes within a budget of {budget} and {fixed} of fixed size"
            );
            assert!(
                at_once > budget + fixed,
                "{name}: {at_once} bytes in one slab would fit the budget too"
            );
        }
    }
}

#[test]
fn a_budget_below_one_node_is_an_error_that_says_what_is_needed() {
    let case = Case::new(true);
    let pass = |budget| {
        let (inputs, plan) = (case.inputs.clone(), case.plan.clone());
        pass_messages(inputs, &case.edges, budget, plan)
    };
    let error = pass(1000).expect_err("64 edges do not fit 1000 bytes");
    assert_eq!(error.edges, NEIGHBOURS);
    assert_eq!(error.needed, error.per_edge * NEIGHBOURS as u64);
    assert!(pass(error.needed - 1).is_err());
    assert!(pass(error.needed).is_ok());
}
