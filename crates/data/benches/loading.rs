//! Molecules per second: read from a file, and made into batches of graphs.
//!
//! Files are the fixtures of 100 molecules of QM9; with `STEERABLE_QM9_WHEEL` naming the wheel of `qm9pack` the
//! whole package too. Each line is the best of several runs.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use steerable_data::{BatchBudget, ItemSize, Prefetched, extxyz, qm9, shuffled};
use steerable_graph::Graph;

/// The cutoff of the graphs, in angstrom.
const CUTOFF: f64 = 5.0;

/// Times that the fixture's molecules are gone through for batches.
const EPOCHS: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{} {}, {} threads, release",
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/molecules");
    let fixture = folder.join("qm9_100.extxyz");
    report(
        "extended XYZ read",
        20,
        || Ok(extxyz::read(&fixture)?.len()),
    )?;
    if let Some(wheel) = std::env::var_os("STEERABLE_QM9_WHEEL") {
        report("QM9 read from its wheel", 3, || {
            Ok(qm9::read(Path::new(&wheel))?.molecules().len())
        })?;
    }
    let molecules: Arc<Vec<_>> = Arc::new(extxyz::read(&fixture)?);
    for workers in [1, 2] {
        let name = format!("graphs within 5 A, {workers} workers");
        report(&name, 5, || batches(&molecules, workers))?;
    }
    Ok(())
}

/// Makes batches of all molecules `EPOCHS` times; how many molecules that were.
fn batches(
    molecules: &Arc<Vec<steerable_data::Structure>>,
    workers: usize,
) -> Result<usize, Box<dyn std::error::Error>> {
    let complete = |nodes: usize| ItemSize {
        nodes,
        edges: nodes * nodes.saturating_sub(1),
    };
    let sizes: Vec<_> = molecules
        .iter()
        .map(|molecule| complete(molecule.len()))
        .collect();
    let budget = BatchBudget {
        nodes: 600,
        edges: 12_000,
    };
    let mut plan = Vec::new();
    for epoch in 0..EPOCHS {
        plan.extend(budget.batches(&shuffled(sizes.len(), epoch as u64), &sizes)?);
    }
    let (plan, molecules) = (Arc::new(plan), Arc::clone(molecules));
    let made = Prefetched::new(plan.len(), workers, move |batch| {
        let items = plan[batch].iter();
        let graphs: Result<Vec<_>, _> = items
            .map(|&item| Graph::radius(&molecules[item].positions, CUTOFF))
            .collect();
        Graph::try_batch(&graphs?)
    });
    let mut count = 0;
    for batch in made {
        count += black_box(batch?).num_graphs();
    }
    Ok(count)
}

/// The best of several runs of what handles a number of molecules.
fn report(
    name: &str,
    runs: usize,
    mut handle: impl FnMut() -> Result<usize, Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut best = f64::INFINITY;
    let mut molecules = 0;
    for _ in 0..runs {
        let start = Instant::now();
        molecules = black_box(handle()?);
        best = best.min(start.elapsed().as_secs_f64());
    }
    let rate = molecules as f64 / best;
    println!("{name:<32} {molecules:>7} molecules {best:>9.4} s {rate:>10.0} /s");
    Ok(())
}
