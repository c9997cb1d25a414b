//! `steerable info`: what a checkpoint says of itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use steerable_train::checkpoint::{Checkpoint, Group};

use crate::CommandResult;
use crate::load::checkpoint_of;
use crate::table::{bytes, grouped, table};

/// Arguments of `steerable info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A checkpoint, or the folder of a run.
    pub checkpoint: PathBuf,
    /// List every tensor.
    #[arg(long)]
    pub tensors: bool,
    /// The header as JSON and nothing else.
    #[arg(long, conflicts_with = "tensors")]
    pub json: bool,
}

/// Reads and checks the file and prints what it holds.
///
/// # Errors
/// When it is no whole checkpoint.
pub fn run(args: &InfoArgs) -> CommandResult {
    let checkpoint = Checkpoint::load(&checkpoint_of(&args.checkpoint))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&checkpoint.header)?);
    } else {
        print!("{}", describe(&checkpoint, args.tensors));
    }
    Ok(())
}

/// Everything worth knowing, as text.
pub fn describe(checkpoint: &Checkpoint, tensors: bool) -> String {
    let header = &checkpoint.header;
    let mut text = format!(
        "{}\n  model          {}\n  parameters     {} in {}\n",
        checkpoint.file().display(),
        header.model.kind,
        grouped(header.parameters),
        bytes(header.parameter_bytes),
    );
    for (name, irreps) in &header.model.irreps {
        text.push_str(&format!("  irreps {name:<7} {irreps}\n"));
    }
    text.push_str(&format!("  step           {}", header.step));
    if let Some(score) = header.score {
        text.push_str(&format!(", validation score {score:.6}"));
    }
    text.push_str(&format!(
        "\n  written by     steerable {}, format {}\n",
        header.version, header.format
    ));
    for conversion in checkpoint.conversions() {
        text.push_str(&format!("  converted      {conversion}\n"));
    }
    let conventions = &header.conventions;
    text.push_str(&format!(
        "\nconventions\n  axes          {}\n  harmonics     {}\n  3j symbols    {}, signs {}\n  \
         radial input  {}\n  features      {}\n",
        conventions.axes,
        conventions.harmonics,
        conventions.wigner_3j,
        conventions.signs,
        conventions.radial_input,
        conventions.layout,
    ));
    text.push('\n');
    text.push_str(&parts(checkpoint));
    if !header.model.config.is_null() {
        let config = serde_json::to_string_pretty(&header.model.config).unwrap_or_default();
        text.push_str(&format!("\nconfiguration\n{config}\n"));
    }
    if tensors {
        text.push('\n');
        text.push_str(&listed(checkpoint));
    }
    text
}

/// The numbers of each part of the model, two names deep, and of the other groups.
fn parts(checkpoint: &Checkpoint) -> String {
    let mut sizes: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (name, data) in checkpoint.group(Group::Model) {
        let part: Vec<&str> = name.split('.').take(3).collect();
        let part = part[..part.len().saturating_sub(1).max(1)].join(".");
        let [numbers, size] = sizes.entry(part).or_default();
        *numbers += data.num_elements();
        *size += data.as_bytes().len();
    }
    let mut rows: Vec<Vec<String>> = sizes
        .into_iter()
        .map(|(part, [numbers, size])| vec![part, grouped(numbers), bytes(size)])
        .collect();
    for (group, title) in [
        (Group::Ema, "(moving averages)"),
        (Group::Optimizer, "(optimizer)"),
        (Group::State, "(state)"),
    ] {
        let (numbers, size) = checkpoint.group(group).fold((0, 0), |(n, b), (_, data)| {
            (n + data.num_elements(), b + data.as_bytes().len())
        });
        if numbers > 0 {
            rows.push(vec![title.into(), grouped(numbers), bytes(size)]);
        }
    }
    table(&["part", "numbers", "size"], &rows)
}

fn listed(checkpoint: &Checkpoint) -> String {
    let groups = [Group::Model, Group::Ema, Group::Optimizer, Group::State];
    let rows: Vec<Vec<String>> = groups
        .into_iter()
        .flat_map(|group| {
            checkpoint.group(group).map(move |(name, data)| {
                vec![
                    format!("{}{name}", group.prefix()),
                    format!("{:?}", data.shape().to_vec()),
                    format!("{:?}", data.dtype()),
                ]
            })
        })
        .collect();
    table(&["tensor", "shape", "type"], &rows)
}
