//! `steerable compare`.

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use steerable_protein::file;

use super::comparison::Comparison;
use crate::CommandResult;
use crate::table::table;

/// Arguments of `steerable compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The structure that is judged: PDB or mmCIF, gzipped or not.
    pub model: PathBuf,
    /// The structure it is judged by.
    pub reference: PathBuf,
    /// One JSON object and nothing else on the standard output.
    #[arg(long)]
    pub json: bool,
}

/// Compares residues of one number in chains of one name (or the only chains of both) and prints scores and
/// what is unusual in either geometry.
///
/// # Errors
/// A structure that cannot be read, or two that have nothing in common.
pub fn run(args: &CompareArgs) -> CommandResult {
    let [model, reference] = [&args.model, &args.reference].map(|path| {
        let contents = file::read(path)?;
        for note in &contents.report.notes {
            eprintln!("{}: {note}", path.display());
        }
        Ok::<_, file::ReadError>(contents.chains)
    });
    // It draws on terminals only.
    let bar = ProgressBar::new(1);
    let comparison = Comparison::of(&model?, &reference?, &bar);
    bar.finish_and_clear();
    let comparison = comparison?;
    if args.json {
        println!("{}", serde_json::to_string(&comparison)?);
    } else {
        print!("{}", describe(&comparison));
    }
    Ok(())
}

/// The comparison as text: a table of scores of the residues compared, one of scores over the whole reference, one
/// of geometries, and the clashes of the structures as a whole.
pub fn describe(comparison: &Comparison) -> String {
    let chain = |name: &str, other: &str| match name == other {
        true => name.to_string(),
        false => format!("{name} - {other}"),
    };
    let score = |value: Option<f64>| value.map_or_else(|| "NA".into(), |v| format!("{v:.4}"));
    let scores: Vec<Vec<String>> = comparison
        .chains
        .iter()
        .map(|of| {
            vec![
                chain(&of.model_chain, &of.reference_chain),
                of.residues.to_string(),
                format!("{:.3}", of.rmsd),
                format!("{:.3}", of.rmsd_backbone),
                format!("{:.4}", of.gdt_ts),
                format!("{:.4}", of.gdt_ha),
                score(of.lddt),
                score(of.lddt_backbone),
            ]
        })
        .collect();
    let head = [
        "compared", "residues", "CA-RMSD", "N,CA,C", "GDT-TS", "GDT-HA", "lDDT", "N,CA,C",
    ];
    let mut text = table(&head, &scores);
    let whole: Vec<Vec<String>> = comparison
        .chains
        .iter()
        .map(|of| {
            vec![
                chain(&of.model_chain, &of.reference_chain),
                of.target.residues.to_string(),
                format!("{:.4}", of.target.tm_score),
                format!("{:.4}", of.target.gdt_ts),
                format!("{:.4}", of.target.gdt_ha),
                score(of.target.lddt),
                score(of.target.lddt_backbone),
            ]
        })
        .collect();
    let head = [
        "whole reference",
        "residues",
        "TM-score",
        "GDT-TS",
        "GDT-HA",
        "lDDT",
        "N,CA,C",
    ];
    text.push('\n');
    text.push_str(&table(&head, &whole));
    let geometries: Vec<Vec<String>> = comparison
        .chains
        .iter()
        .flat_map(|of| {
            [
                (format!("model {}", of.model_chain), of.model),
                (format!("reference {}", of.reference_chain), of.reference),
            ]
        })
        .map(|(name, of)| {
            let counts = [
                of.clashes,
                of.bonds,
                of.angles,
                of.cis,
                of.twisted,
                of.chirality,
            ];
            std::iter::once(name)
                .chain(counts.map(|n| n.to_string()))
                .collect()
        })
        .collect();
    let head = [
        "geometry", "clashes", "bonds", "angles", "cis", "twisted", "not L",
    ];
    text.push('\n');
    text.push_str(&table(&head, &geometries));
    text.push_str(&format!(
        "clashes of all chains, those between chains included: {} in the model, {} in the reference\n",
        comparison.model_clashes, comparison.reference_clashes
    ));
    for of in &comparison.chains {
        let counts = [
            (of.only_in_model, "residues of the model left out"),
            (of.only_in_reference, "residues of the reference left out"),
            (of.different, "residues that are different amino acids"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("chain {}: {count} {what}\n", of.reference_chain));
        }
    }
    for (whose, names) in [
        ("model", &comparison.model_only),
        ("reference", &comparison.reference_only),
    ] {
        for name in names {
            text.push_str(&format!(
                "chain {name} of the {whose} left out: the other has none\n"
            ));
        }
    }
    text
}
