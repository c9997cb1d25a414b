//! What is written and printed: tables, JSON, structures.

use std::fs;
use std::path::Path;

use serde::Serialize;
use steerable_protein::{BackboneResidue, Chain};

use super::data::Target;
use super::error::FoldError;
use super::evaluation::{Refined, Score, Summary};
use crate::file_error::FileError;

/// A chain's line in the results.
#[derive(Serialize)]
struct ChainLine<'a> {
    chain: &'a str,
    residues: usize,
    before: Score,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_trunk: Option<Score>,
    after: Score,
}

/// A task in the results.
#[derive(Serialize)]
pub struct TaskResult<'a> {
    /// Means and worst.
    #[serde(flatten)]
    pub summary: Summary,
    per_chain: Vec<ChainLine<'a>>,
}

impl<'a> TaskResult<'a> {
    /// The lines of a task.
    pub fn new(summary: Summary, refined: &[Refined], targets: &'a [Target]) -> Self {
        let line = |chain: &Refined| ChainLine {
            chain: &targets[chain.target].name,
            residues: chain.frames.len(),
            before: chain.before,
            from_trunk: chain.from_trunk,
            after: chain.after,
        };
        Self {
            summary,
            per_chain: refined.iter().map(line).collect(),
        }
    }

    /// Prints a line for each chain.
    pub fn print_chains(&self) {
        println!(
            "\n{}: CA-RMSD, lDDT and TM-score before -> after",
            self.summary.task
        );
        for line in &self.per_chain {
            let (before, after) = (line.before, line.after);
            let trunk = line.from_trunk.map_or_else(String::new, |trunk| {
                format!("   (MDS from the trunk {:.2} A)", trunk.rmsd)
            });
            println!(
                "{:<40} {:>4} residues   {:>5.2} -> {:>5.2} A   {:.2} -> {:.2}   {:.2} -> {:.2}{trunk}",
                line.chain,
                line.residues,
                before.rmsd,
                after.rmsd,
                before.lddt,
                after.lddt,
                before.tm,
                after.tm,
            );
        }
    }
}

/// Prints a line for each task.
pub fn print_summaries(results: &[TaskResult]) {
    println!();
    for TaskResult { summary, .. } in results {
        let side_chains = match (summary.chi1_within_40_degrees, summary.chi1_baseline) {
            (Some(predicted), Some(guessed)) => {
                format!("   chi1 {predicted:.2} (most common {guessed:.2})")
            }
            _ => String::new(),
        };
        println!(
            "{:<24} CA-RMSD {:.2} -> {:.2} A (worst {:.2}, at most {:.0} % left)   \
             lDDT {:.2} -> {:.2}   TM {:.2} -> {:.2}   confidence r {:.2}{side_chains}",
            summary.task,
            summary.rmsd_before,
            summary.rmsd_after,
            summary.rmsd_after_worst,
            100.0 * summary.rmsd_left_worst,
            summary.lddt_before,
            summary.lddt_after,
            summary.tm_before,
            summary.tm_after,
            summary.confidence_correlation.unwrap_or(f64::NAN),
        );
    }
}

/// Prints a line of JSON for each task.
pub fn print_json(results: &[TaskResult]) {
    for TaskResult { summary, .. } in results {
        let line = serde_json::to_string(summary).expect("they are numbers");
        println!("{line}");
    }
}

/// Writes all tasks, chain by chain, to `results.json`, and as tables to `results.md`.
///
/// # Errors
/// When a file cannot be written.
pub fn save(folder: &Path, results: &[TaskResult]) -> Result<(), FoldError> {
    let json = serde_json::to_string_pretty(results).expect("they are numbers");
    for (name, text) in [("results.json", json), ("results.md", tables(results))] {
        let file = folder.join(name);
        fs::write(&file, text).map_err(FileError::on("write", &file))?;
    }
    Ok(())
}

/// One table of means and worst chains, and one for each task of its chains.
fn tables(results: &[TaskResult]) -> String {
    let mut text = String::from(
        "| task | chains | CA-RMSD before | after | worst after | largest share left | lDDT before | after | worst \
         | TM before | after | worst | r(predicted, true lDDT) | chi1 within 40 degrees (most common) |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let or_none = |number: Option<f64>| number.map_or_else(|| "-".into(), |x| format!("{x:.2}"));
    for TaskResult { summary: s, .. } in results {
        text.push_str(&format!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.0} % | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {} ({}) |\n",
            s.task,
            s.chains,
            s.rmsd_before,
            s.rmsd_after,
            s.rmsd_after_worst,
            100.0 * s.rmsd_left_worst,
            s.lddt_before,
            s.lddt_after,
            s.lddt_after_worst,
            s.tm_before,
            s.tm_after,
            s.tm_after_worst,
            or_none(s.confidence_correlation),
            or_none(s.chi1_within_40_degrees),
            or_none(s.chi1_baseline),
        ));
    }
    for result in results {
        text.push_str(&format!(
            "\n{}\n\n| chain | residues | CA-RMSD before | from the trunk | after | lDDT before | after \
             | TM before | after |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            result.summary.task
        ));
        for line in &result.per_chain {
            let (before, after) = (line.before, line.after);
            text.push_str(&format!(
                "| {} | {} | {:.2} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |\n",
                line.chain,
                line.residues,
                before.rmsd,
                or_none(line.from_trunk.map(|trunk| trunk.rmsd)),
                after.rmsd,
                before.lddt,
                after.lddt,
                before.tm,
                after.tm,
            ));
        }
    }
    text
}

/// The refined backbone with ideal N, CA, C, O and CB in each frame, and the predicted lDDT in per cent
/// as B factors. Side chains are not built, and those of the file would tell the answer.
pub fn as_chain(target: &Target, refined: &Refined) -> Chain {
    let mut chain = target.chain.clone();
    for (residue, frame) in chain.residues.iter_mut().zip(&refined.frames) {
        let BackboneResidue { n, ca, c } = frame.ideal_residue();
        residue.atoms.retain_mut(|atom| {
            let position = match atom.name.as_str() {
                "N" => n,
                "CA" => ca,
                "C" => c,
                _ => return false,
            };
            atom.position = position;
            true
        });
    }
    let (chain, _) = chain.with_ideal_atoms();
    let per_cent: Vec<f64> = refined.confidence.iter().map(|lddt| 100.0 * lddt).collect();
    chain.with_b_factors(&per_cent)
}
