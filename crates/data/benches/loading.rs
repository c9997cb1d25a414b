//! Molecules per second: read from a file, and made into batches of graphs.
//!
//! Files are the fixtures of 100 molecules of QM9; with `STEERABLE_QM9_WHEEL` naming the wheel of `qm9pack` the
//! whole package too. Each line is the best of several runs.

use std::hint::black_box;
use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use steerable_data::extxyz::{self, FrameIndex};
use steerable_data::qm9::{self, Origin, Target};
use steerable_data::{
    BatchBudget, EdgeRule, Loader, LoaderConfig, Quantities, Sample, Structure, Turns, shuffled,
};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!(
        "{} {}, {} threads, release",
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/molecules");
    let fixture = folder.join("qm9_100.extxyz");
    report("extended XYZ, in turn", 20, || {
        Ok(extxyz::read(&fixture)?.len())
    })?;
    let index = FrameIndex::new(&fixture, extxyz::Options::default())?;
    report("extended XYZ, by number", 20, || {
        for number in shuffled(index.len(), 1) {
            black_box(index.frame(number)?);
        }
        Ok(index.len())
    })?;
    let samples = match std::env::var_os("STEERABLE_QM9_WHEEL") {
        None => {
            let molecules = extxyz::read(&fixture)?;
            let copies = std::iter::repeat_n(molecules, 100).flatten();
            copies.map(sample).collect()
        }
        Some(wheel) => {
            let cache = std::env::temp_dir().join(format!("qm9-{}.npz", std::process::id()));
            report("QM9, its wheel", 3, || {
                Ok(qm9::read(Path::new(&wheel))?.len())
            })?;
            let all = qm9::read_cached(&wheel, &cache)?;
            report("QM9, its cache", 5, || Ok(qm9::read(&cache)?.len()))?;
            std::fs::remove_file(&cache)?;
            let part = all.subset(&shuffled(all.with_bonds().len(), 1)[..10_000]);
            part.subset(&part.with_bonds())
                .samples(&[Target::Homo], Origin::Tables)
        }
    };
    let rules = [
        ("bonds", EdgeRule::Bonds),
        ("complete", EdgeRule::Complete),
        ("within 5 A", EdgeRule::Radius(5.0.into())),
    ];
    for (name, rule) in rules {
        if rule == EdgeRule::Bonds && samples.iter().any(|sample| sample.bonds.is_none()) {
            continue;
        }
        for workers in [1, 2] {
            for turns in [Turns::None, Turns::All] {
                let config = LoaderConfig {
                    edges: rule,
                    budget: BatchBudget {
                        nodes: 600,
                        edges: 12_000,
                    },
                    workers: NonZero::new(workers).ok_or("no workers")?,
                    turns,
                };
                let loader = Loader::in_memory(samples.clone(), config)?;
                let name = format!("batches, {name}, {workers} workers, {turns:?}");
                report(&name, 5, || batches(&loader))?;
            }
        }
    }
    Ok(())
}

fn sample(structure: Structure) -> Sample {
    Sample {
        species: structure.species,
        positions: structure.positions,
        targets: Quantities {
            scalars: vec![0.0],
            ..Quantities::default()
        },
        ..Sample::default()
    }
}

/// Makes batches of all molecules; how many molecules that were.
fn batches(loader: &Loader) -> Result<usize, Error> {
    let mut count = 0;
    for batch in loader.batches(&shuffled(loader.sizes().len(), 1), 1)? {
        count += black_box(batch?).items.len();
    }
    Ok(count)
}

/// The best of several runs of what handles a number of molecules.
fn report(
    name: &str,
    runs: usize,
    mut handle: impl FnMut() -> Result<usize, Error>,
) -> Result<(), Error> {
    let mut best = f64::INFINITY;
    let mut molecules = 0;
    for _ in 0..runs {
        let start = Instant::now();
        molecules = black_box(handle()?);
        best = best.min(start.elapsed().as_secs_f64());
    }
    let rate = molecules as f64 / best;
    println!("{name:<44} {molecules:>7} molecules {best:>9.4} s {rate:>10.0} /s");
    Ok(())
}
