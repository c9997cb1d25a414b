//! Time to build graphs: search, sort, row offsets and reverse index.
//!
//! Prints one line per kind and size: the best of several runs, in total and per point. Points
//! are uniform in a box with one point per unit volume unless the line says otherwise. A filter
//! on the command line keeps the lines whose name contains it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_graph::{Cell, Edge, Graph, GraphError, RadiusConfig};

const SEED: u64 = 0;

fn main() -> Result<(), GraphError> {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let bench = Bench {
        filter: filter.unwrap_or_default(),
    };
    println!(
        "{} {}, {} threads, f64, release; seed {SEED}",
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    println!(
        "{:<28} {:>9} {:>10} {:>11} {:>9}",
        "graph", "points", "edges", "ms", "ns/point"
    );
    for n in [100, 10_000, 100_000, 1_000_000] {
        let points = uniform(n);
        bench.run("knn k=16", n, || Graph::knn(&points, 16))?;
    }
    for n in [100, 10_000, 100_000, 1_000_000] {
        let points = uniform(n);
        bench.run("radius 1.5", n, || Graph::radius(&points, 1.5))?;
    }
    for n in [100, 10_000, 100_000, 1_000_000] {
        let (points, side) = (uniform(n), side(n));
        let cell = Cell::periodic([[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]])?;
        bench.run("periodic radius 1.5", n, || {
            Graph::periodic_radius(&points, &cell, 1.5)
        })?;
    }
    for n in [10_000, 100_000, 1_000_000] {
        let points = vec![[1.0, 2.0, 3.0]; n];
        bench.run("knn k=16, all coincident", n, || Graph::knn(&points, 16))?;
        let nearest = RadiusConfig::new(1.5).with_max_neighbours(16);
        bench.run("radius max 16, coincident", n, || {
            Graph::radius(&points, nearest)
        })?;
    }
    for n in [10_000, 100_000, 1_000_000] {
        let count = u32::try_from(n).unwrap_or(u32::MAX);
        let mut rng = StdRng::seed_from_u64(SEED);
        let edges: Vec<Edge> = (0..16 * n)
            .map(|_| Edge {
                src: rng.random_range(0..count),
                dst: rng.random_range(0..count),
            })
            .collect();
        bench.run("from 16 n random edges", n, || Graph::from_edges(n, &edges))?;
    }
    Ok(())
}

struct Bench {
    filter: String,
}

impl Bench {
    fn run(
        &self,
        name: &str,
        points: usize,
        build: impl Fn() -> Result<Graph, GraphError>,
    ) -> Result<(), GraphError> {
        if !name.contains(&self.filter) {
            return Ok(());
        }
        let edges = build()?.num_edges();
        let mut best = Duration::MAX;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(500) {
            let start = Instant::now();
            black_box(build()?);
            best = best.min(start.elapsed());
        }
        let seconds = best.as_secs_f64();
        println!(
            "{name:<28} {points:>9} {edges:>10} {:>11.3} {:>9.0}",
            seconds * 1e3,
            seconds * 1e9 / points as f64
        );
        Ok(())
    }
}

fn side(points: usize) -> f64 {
    (points as f64).cbrt()
}

fn uniform(points: usize) -> Vec<[f64; 3]> {
    let mut rng = StdRng::seed_from_u64(SEED);
    let side = side(points);
    (0..points)
        .map(|_| std::array::from_fn(|_| side * rng.random::<f64>()))
        .collect()
}
