//! Protein geometry and the structure module, timed: one JSON line for each operation and length.
//!
//! ```text
//! cargo run --release -p steerable-benches --bin proteins -- geometry
//! cargo run --release -p steerable-benches --bin proteins -- module --layer transformer --residues 512
//! python benches/peers_protein.py target/release/proteins
//! ```
//!
//! The last runs other packages on the same chains in between, and prints Markdown. Times are the least of
//! the samples, in seconds; memory is the highest resident size minus that before anything is made, in MiB.

use std::hint::black_box;

use burn::tensor::{DType, Device, Tensor, TensorData};
use clap::{Parser, Subcommand, ValueEnum};
use nalgebra::Vector3;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use steerable_benches::measure;
use steerable_benches::process::Memory;
use steerable_protein::structure::{
    FrameTensors, LayerConfig, NeighbourConfig, PointAttentionConfig, ResidueGraph,
    StructureInputs, StructureModuleConfig, TransformerLayerConfig, residue_index,
};
use steerable_protein::{
    Backbone, DistanceMatrix, Frame, InternalCoordinates, InternalTensors, Matched, classical_mds,
};

/// As in the workloads: keeps freed memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(about = "Times protein geometry and the structure module")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Number of threads.
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
}

#[derive(Subcommand)]
enum What {
    /// The atoms of the chain of some length, and of a copy moved at random, as JSON.
    Chain {
        #[arg(long)]
        residues: usize,
    },
    /// Geometry, all operations.
    Geometry {
        #[arg(long, value_delimiter = ',', default_value = "128,512,2180")]
        residues: Vec<usize>,
    },
    /// One iteration of the structure module.
    Module {
        #[arg(long)]
        layer: Layer,
        #[arg(long)]
        residues: usize,
        /// The gradients of all parameters too.
        #[arg(long)]
        backward: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Layer {
    Transformer,
    PointAttention,
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let threads = arguments.threads;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?;
    match arguments.what {
        What::Chain { residues } => {
            let (chain, copy) = (chain(residues), noisy(&chain(residues)));
            println!(
                "{}",
                json!({ "reference": atoms(&chain), "model": atoms(&copy) })
            );
        }
        What::Geometry { residues } => residues.into_iter().for_each(|l| geometry(l, threads)),
        What::Module {
            layer,
            residues,
            backward,
        } => println!("{}", module(layer, residues, backward, threads)?),
    }
    Ok(())
}

/// Helices and strands by turns, with some noise on the torsions.
fn chain(residues: usize) -> Backbone {
    let mut rng = StdRng::seed_from_u64(residues as u64);
    let torsions: Vec<[f64; 3]> = (1..residues)
        .map(|i| {
            let [psi, phi] = if i / 14 % 2 == 0 {
                [-0.7, -1.1]
            } else {
                [2.3, -2.1]
            };
            let mut noise = || rng.random_range(-0.3..0.3);
            [psi + noise(), 3.1, phi + noise()]
        })
        .collect();
    InternalCoordinates::ideal(&torsions).to_backbone()
}

/// Every atom moved by up to two angstrom along each axis.
fn noisy(chain: &Backbone) -> Backbone {
    let mut rng = StdRng::seed_from_u64(1);
    let mut moved = chain.residues().to_vec();
    for residue in &mut moved {
        for atom in [&mut residue.n, &mut residue.ca, &mut residue.c] {
            *atom += Vector3::from_fn(|_, _| rng.random_range(-2.0..2.0));
        }
    }
    Backbone::unbroken(moved)
}

fn atoms(chain: &Backbone) -> Vec<[[f64; 3]; 3]> {
    chain
        .residues()
        .iter()
        .map(|r| r.atoms().map(Into::into))
        .collect()
}

fn geometry(residues: usize, threads: usize) {
    let reference = chain(residues);
    let model = noisy(&reference);
    let (ca, other) = (reference.ca(), model.ca());
    let internal = InternalCoordinates::of(&reference).expect("no three atoms on a line");
    let distances = DistanceMatrix::of(&ca);
    let matched = Matched {
        model: &other,
        reference: &ca,
    };
    let device = Device::flex();
    let torsions: Vec<f64> = (1..residues).flat_map(|_| [-0.7, 3.1, -1.1]).collect();
    let shape = [1, residues - 1, 3];
    let upload =
        |dtype| Tensor::<3>::from_data(TensorData::new(torsions.clone(), shape), (&device, dtype));
    let tracked = Tensor::<3>::from_data(
        TensorData::new(torsions.clone(), shape),
        (&device.clone().autodiff(), DType::F32),
    );
    let in_f32 = upload(DType::F32);
    let operations: [(&str, &mut dyn FnMut()); 9] = [
        ("torsions", &mut || drop(black_box(reference.torsions()))),
        ("NeRF", &mut || drop(black_box(internal.to_backbone()))),
        ("frames", &mut || {
            let frames = reference.residues().iter().map(Frame::of_residue);
            drop(black_box(frames.collect::<Vec<_>>()));
        }),
        ("distance matrix", &mut || {
            drop(black_box(DistanceMatrix::of(&ca)));
        }),
        ("MDS", &mut || drop(black_box(classical_mds(&distances)))),
        ("Kabsch", &mut || drop(black_box(matched.superpose()))),
        ("TM-score", &mut || {
            drop(black_box(matched.tm_score(residues)));
        }),
        ("NeRF, tensors", &mut || {
            black_box(InternalTensors::ideal(in_f32.clone()).backbone());
        }),
        ("NeRF, tensors, with gradient", &mut || {
            let torsions = tracked.clone().require_grad();
            let atoms = InternalTensors::ideal(torsions).backbone();
            black_box(atoms.sum().backward());
        }),
    ];
    for (name, step) in operations {
        let timing = measure::repeatedly(step, threads);
        println!(
            "{}",
            json!({
                "operation": name, "residues": residues, "peer": "steerable", "threads": threads,
                "min_s": timing.min_s, "median_s": timing.median_s, "noisy": timing.noisy,
            })
        );
    }
}

fn module(layer: Layer, residues: usize, backward: bool, threads: usize) -> Result<Value, Error> {
    let at_start = Memory::now();
    let device = if backward {
        Device::flex().autodiff()
    } else {
        Device::flex()
    };
    let config = StructureModuleConfig::new(21).with_num_iterations(1);
    let layers = match layer {
        Layer::Transformer => LayerConfig::Transformer(TransformerLayerConfig::new()),
        Layer::PointAttention => LayerConfig::PointAttention(PointAttentionConfig::new()),
    };
    let backbone = chain(residues);
    let frames: Vec<Frame> = backbone
        .residues()
        .iter()
        .map(Frame::of_residue)
        .collect::<Result<_, _>>()?;
    let ca: Vec<[f64; 3]> = frames.iter().map(|f| f.translation.into()).collect();
    let graph = ResidueGraph::new(&ca, &residue_index(&backbone), &NeighbourConfig::new())?;
    let edges = graph.graph().num_edges();
    let inputs = StructureInputs {
        residues: Tensor::zeros([residues, 21], (&device, DType::F32)),
        pairs: None,
        frames: FrameTensors::from_frames(&frames, &device, DType::F32),
        graph: graph.to_device(&device, DType::F32),
    };
    let built = Memory::now();
    let module = config.try_init_any(&layers, &device)?;
    let mut step = || {
        let output = module.forward(&inputs);
        let sum = output.prediction().translation().sum() + output.confidence.sum();
        if backward {
            black_box(sum.backward());
        } else {
            black_box(sum.into_data());
        }
    };
    let timing = measure::repeatedly(&mut step, threads);
    let used = Memory::now();
    let name = layer.to_possible_value().expect("no layer is hidden");
    Ok(json!({
        "operation": "one iteration", "layer": name.get_name(), "residues": residues, "edges": edges,
        "mode": if backward { "fwdbwd" } else { "fwd" }, "threads": threads,
        "min_s": timing.min_s, "median_s": timing.median_s, "noisy": timing.noisy,
        "rss_built_mb": built.map(|memory| memory.resident.round()),
        "peak_mb": at_start.zip(used).map(|(start, used)| (used.peak - start.resident).round()),
    }))
}
