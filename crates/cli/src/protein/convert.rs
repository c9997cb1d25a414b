//! `steerable convert`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use steerable_protein::Chain;
use steerable_protein::file::{self, ModelChoice, ReadOptions};

use super::tables::{self, TableError};
use crate::CommandResult;
use crate::dataset::extension;

/// What is written of a structure.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Representation {
    /// A structure file: .pdb or .cif, gzipped where .gz follows.
    Atoms,
    /// phi, psi and omega in degrees, NA where they are not defined, as tab-separated columns.
    Torsions,
    /// Bond lengths in angstrom and angles in degrees along the backbone, as tab-separated columns.
    Bonds,
    /// CA in angstrom and the orientation as a unit quaternion, as tab-separated columns.
    Frames,
    /// All distances between CA atoms in angstrom, as a tab-separated matrix.
    Distances,
}

/// Arguments of `steerable convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The structure: PDB or mmCIF, gzipped or not; told apart by content.
    pub input: PathBuf,
    /// Where it goes; tables go to the standard output without it.
    pub output: Option<PathBuf>,
    /// What is written.
    #[arg(long, value_enum, default_value = "atoms")]
    pub representation: Representation,
    /// Only these chains, by name.
    #[arg(long, value_delimiter = ',')]
    pub chains: Vec<String>,
    /// The number of the model; the first of the file without it.
    #[arg(long)]
    pub model: Option<u32>,
    /// Add O and CB where they are missing and ideal geometry tells where they are.
    #[arg(long)]
    pub complete: bool,
}

/// A conversion that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Atoms are written to a file.
    #[error("{}: name a file to write atoms to, or choose another --representation", input.display())]
    NoOutput {
        /// The structure.
        input: PathBuf,
    },
    /// Tables are not structures.
    #[error("{}: the name of a structure, but a table is to be written; name it .tsv, or leave out --representation", output.display())]
    TableInStructure {
        /// The file.
        output: PathBuf,
    },
    /// A chain that is not there.
    #[error("{}: no chain {chain:?}, only {}", input.display(), present.join(", "))]
    NoSuchChain {
        /// The structure.
        input: PathBuf,
        /// The chain asked for.
        chain: String,
        /// The chains that there are.
        present: Vec<String>,
    },
    /// The output cannot be written.
    #[error("{}: {source}", output.display())]
    Output {
        /// The file.
        output: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A residue without the representation.
    #[error("{}: {source}", input.display())]
    Table {
        /// The structure.
        input: PathBuf,
        /// Where and why not.
        source: TableError,
    },
}

/// Reads, tells what was handled by rule, and writes.
///
/// # Errors
/// A structure that cannot be read, a chain that is not there, a residue without the representation, a table
/// that would have the name of a structure, or a file that cannot be written.
pub fn run(args: &ConvertArgs) -> CommandResult {
    let is_table = args.representation != Representation::Atoms;
    if let Some(output) = &args.output
        && is_table
        && names_a_structure(output)
    {
        return Err(Box::new(ConvertError::TableInStructure {
            output: output.clone(),
        }));
    }
    let chains = read(args)?;
    if args.representation == Representation::Atoms {
        let output = args.output.as_ref().ok_or_else(|| ConvertError::NoOutput {
            input: args.input.clone(),
        })?;
        return Ok(file::write(output, &chains)?);
    }
    match &args.output {
        None => table(
            args,
            &chains,
            &mut std::io::stdout().lock(),
            Path::new("standard output"),
        )?,
        Some(output) => table_to_file(args, &chains, output)?,
    }
    Ok(())
}

/// Whether the name is that of a structure file.
fn names_a_structure(path: &Path) -> bool {
    ["pdb", "ent", "cif", "mmcif"].contains(&extension(path).as_str())
}

/// Writes beside the file and renames when the table is complete, so that a failure leaves no part of one
/// and a table that was there stays. What is no file, such as a pipe, is written to as it is.
fn table_to_file(args: &ConvertArgs, chains: &[Chain], output: &Path) -> Result<(), ConvertError> {
    let fault = |source| ConvertError::Output {
        output: output.to_path_buf(),
        source,
    };
    if output.metadata().is_ok_and(|found| !found.is_file()) {
        let opened = File::options().write(true).open(output).map_err(fault)?;
        return table(args, chains, &mut BufWriter::new(opened), output);
    }
    // Through links, which a rename would replace.
    let target = output
        .canonicalize()
        .unwrap_or_else(|_| output.to_path_buf());
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = target.with_file_name(name);
    let created = File::create(&partial).map_err(fault)?;
    let written = table(args, chains, &mut BufWriter::new(created), output)
        .and_then(|()| fs::rename(&partial, &target).map_err(fault));
    if written.is_err() {
        // The error that is told is the first.
        fs::remove_file(&partial).ok();
    }
    written
}

/// The chosen chains.
fn read(args: &ConvertArgs) -> Result<Vec<Chain>, Box<dyn std::error::Error>> {
    let options = ReadOptions {
        model: args.model.map_or(ModelChoice::First, ModelChoice::Number),
        ..ReadOptions::default()
    };
    let contents = options.read(&args.input)?;
    eprint!("{}", contents.report);
    let present: Vec<String> = contents.chains.iter().map(|c| c.id.clone()).collect();
    if let Some(chain) = args.chains.iter().find(|chain| !present.contains(chain)) {
        return Err(Box::new(ConvertError::NoSuchChain {
            input: args.input.clone(),
            chain: chain.clone(),
            present,
        }));
    }
    let chosen = |chain: &Chain| args.chains.is_empty() || args.chains.contains(&chain.id);
    let chains = contents.chains.into_iter().filter(chosen);
    let completed = chains.map(|chain| {
        if !args.complete {
            return chain;
        }
        let (chain, added) = chain.with_ideal_atoms();
        for atom in added {
            eprintln!("{}: {} added", atom.residue, atom.name);
        }
        chain
    });
    Ok(completed.collect())
}

fn table(
    args: &ConvertArgs,
    chains: &[Chain],
    out: &mut impl Write,
    output: &Path,
) -> Result<(), ConvertError> {
    let written = match args.representation {
        Representation::Torsions => tables::torsions(chains, out),
        Representation::Bonds => tables::bonds(chains, out),
        Representation::Frames => tables::frames(chains, out),
        Representation::Distances | Representation::Atoms => tables::distances(chains, out),
    };
    let written = written.and_then(|()| Ok(out.flush()?));
    written.map_err(|error| match error {
        TableError::Io(source) => ConvertError::Output {
            output: output.to_path_buf(),
            source,
        },
        source => ConvertError::Table {
            input: args.input.clone(),
            source,
        },
    })
}
