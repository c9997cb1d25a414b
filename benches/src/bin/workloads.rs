//! One workload, timed: prints one JSON line with the fields of the other codes' runs. `--all` runs the
//! published table, every line in a process of its own, and prints Markdown.
//!
//! ```text
//! cargo run --release -p steerable-benches --bin workloads -- --workload W2 --mode fwdbwd --threads 1
//! cargo run --release -p steerable-benches --bin workloads -- --all
//! ```
//!
//! `min_s`, `median_s`: seconds of a step; `first_s`: of the very first. `rss_*_mb`: resident memory of
//! the process before anything is made, once everything is built, and at its highest. `flop`: operations
//! of the cheaper order of contraction; `flop_naive`: with the radial weights of every edge formed and
//! applied.
//! `floor_s`: the longer of `flop` at the speed of one big matrix product and of every input and output
//! moved once at the speed of a copy, both measured in this process on the same threads; `fraction` is
//! `floor_s / min_s`.

use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use steerable_benches::machine::Machine;
use steerable_benches::measure;
use steerable_benches::process::Memory;
use steerable_benches::table;
use steerable_benches::workload::{BadRequest, Mode, Name, build};

/// Every operation makes fresh tensors, and glibc's allocator gives big ones back to the system when they
/// are freed: this one keeps them (docs/PERFORMANCE.md says what that gains).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Times one workload, or all of the published table")]
struct Arguments {
    /// Run the whole table.
    #[arg(long)]
    all: bool,
    /// With --all: only these workloads, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Which workload.
    #[arg(long, required_unless_present = "all")]
    workload: Option<Name>,
    /// What one step does.
    #[arg(long, default_value = "fwd")]
    mode: Mode,
    /// Number of threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Parameters that differ from the workload's defaults, as JSON.
    #[arg(long, default_value = "{}")]
    params: String,
    /// Where to run.
    #[arg(long, default_value = "flex")]
    backend: Backend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// Burn's CPU backend.
    Flex,
    /// The first GPU that wgpu finds, or what CUBECL_WGPU_DEFAULT_DEVICE names.
    #[cfg(feature = "wgpu")]
    Wgpu,
}

impl Backend {
    fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        }
    }
}

/// Becomes the same program with an allocator that keeps what is freed, as the others' are told to: mimalloc
/// is told by the environment. Returns where that is done, or cannot be.
fn keep_freed_memory() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;

        const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";
        if std::env::var_os(PURGE_DELAY).is_some() {
            return;
        }
        if let Ok(program) = std::env::current_exe() {
            let mut again = std::process::Command::new(program);
            again.args(std::env::args_os().skip(1));
            let error = again.env(PURGE_DELAY, "-1").exec();
            eprintln!("workloads: freed memory is not kept: {error}");
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    keep_freed_memory();
    let result = match arguments.workload {
        Some(name) if !arguments.all => one(name, &arguments).map(|line| println!("{line}")),
        _ => table::run(&arguments.only),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workloads: {error}");
            ExitCode::FAILURE
        }
    }
}

fn one(name: Name, arguments: &Arguments) -> Result<Value, BadRequest> {
    let device = arguments.backend.device();
    if arguments.backend != Backend::Flex && matches!(name, Name::W1 | Name::W5) {
        return Err(format!("{name:?} runs on slices of the CPU: use --backend flex").into());
    }
    // The calling thread is one of the pool, so that one thread is one thread and nothing is handed
    // over between two.
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .use_current_thread()
        .build_global()?;
    let params: Value = serde_json::from_str(&arguments.params)?;
    let at_start = Memory::now();
    let mut work = build(name, arguments.mode, &params, &device)?;
    let built = Memory::now();
    let timing = match arguments.mode {
        Mode::Tables => measure::once(&mut work.step),
        // A step's work on a GPU is queued: it is over when the device is idle.
        _ => measure::repeatedly(
            &mut || {
                (work.step)();
                device.sync().expect("the device works");
            },
            arguments.threads,
        ),
    };
    let used = Memory::now();
    drop(work.step);
    let machine = Machine::measure(&device);

    let seconds = |amount: Option<f64>, per_s: f64| amount.map(|amount| amount / per_s);
    let cost = work.cost;
    let floor_s = [
        seconds(cost.flop, machine.flop_per_s),
        seconds(cost.bytes, machine.bytes_per_s),
    ]
    .into_iter()
    .flatten()
    .reduce(f64::max);
    let mode = arguments
        .mode
        .to_possible_value()
        .expect("no mode is hidden");
    Ok(json!({
        "workload": format!("{name:?}"),
        "peer": "steerable",
        "mode": mode.get_name(),
        "threads": arguments.threads,
        "device": format!("{device:?}"),
        "params": params,
        "median_s": timing.median_s,
        "min_s": timing.min_s,
        "cpu_min_s": timing.cpu_min_s,
        "first_s": timing.first_s,
        "samples": timing.samples,
        "inner": timing.inner,
        "noisy": timing.noisy,
        "rss_import_mb": at_start.map(|memory| memory.resident.round()),
        "rss_built_mb": built.map(|memory| memory.resident.round()),
        "rss_peak_mb": used.map(|memory| memory.peak.round()),
        "note": work.note,
        "flop": cost.flop,
        "flop_naive": cost.flop_naive,
        "bytes": cost.bytes,
        "matmul_gflops": machine.flop_per_s * 1e-9,
        "copy_gb_per_s": machine.bytes_per_s * 1e-9,
        "floor_s": floor_s,
        "fraction": floor_s.map(|floor| floor / timing.min_s),
    }))
}
