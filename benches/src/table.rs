//! The published table: every line from a process of its own.

use std::env;
use std::process::Command;

use serde_json::{Value, json};

use crate::workload::BadRequest;

/// Runs the table, or some workloads of it, and prints it as Markdown while it grows.
///
/// # Errors
/// When a run fails.
pub fn run(only: &[String]) -> Result<(), BadRequest> {
    println!(
        "| workload | step | threads | min s | median s | peak MB | floor s | fraction | GFLOP (naive) |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows() {
        if only.is_empty() || only.iter().any(|name| name == row.workload) {
            println!("{}", row.run()?);
        }
    }
    Ok(())
}

struct Row {
    workload: &'static str,
    what: String,
    mode: &'static str,
    threads: usize,
    params: Value,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add =
        |workload, what: &str, modes: &[&'static str], threads: &[usize], params: Value| {
            for &threads in threads {
                rows.extend(modes.iter().map(|&mode| Row {
                    workload,
                    what: what.to_owned(),
                    mode,
                    threads,
                    params: params.clone(),
                }));
            }
        };
    let both = ["fwd", "fwdbwd"];
    for l_max in [3, 6, 10] {
        let what = format!("100k vectors, l <= {l_max}");
        add("W1", &what, &both, &[1], json!({ "L": l_max }));
    }
    add(
        "W2",
        "1000 nodes x 32, 32 ch, l <= 2",
        &both,
        &[1, 2],
        json!({}),
    );
    let params = json!({ "ch": 16, "L": 3 });
    add("W2", "1000 nodes x 32, 16 ch, l <= 3", &both, &[1], params);
    add(
        "W3",
        "512 nodes x 16, 32 ch, degrees 0-3",
        &both,
        &[1, 2],
        json!({}),
    );
    let training = ["fwd", "train"];
    add(
        "W4",
        "16 molecules, 640 edges",
        &training,
        &[1, 2],
        json!({}),
    );
    add(
        "W4",
        "1 molecule, 40 edges",
        &training,
        &[1, 2],
        json!({ "mol": 1 }),
    );
    add(
        "W5",
        "10,000 rotations, l <= 6",
        &["wignerD"],
        &[1, 2],
        json!({}),
    );
    add("W5", "175 tables, l <= 6", &["cg_cold"], &[1], json!({}));
    for nodes in [500, 1000, 2000, 4000, 8000, 100_000] {
        let what = format!("{nodes} nodes x 32, 32 ch, l <= 2");
        let threads: &[usize] = if nodes == 100_000 { &[1, 2] } else { &[1] };
        add("W6", &what, &["fwdbwd"], threads, json!({ "N": nodes }));
    }
    for l_max in 1..=6 {
        let what = format!("500 nodes x 32, 16 ch, l <= {l_max}");
        let params = json!({ "N": 500, "ch": 16, "L": l_max });
        add("W6", &what, &["fwdbwd"], &[1], params);
        let what = format!("512 nodes x 1, 16 ch, degrees 0-{l_max}");
        let params = json!({ "N": 512, "k": 1, "ch": 16, "D": l_max + 1 });
        add("W3", &what, &["fwdbwd"], &[1], params);
    }
    for (nodes, budget, threads) in [
        (1000, 4_000_000, 1),
        (16_000, 1_000_000, 1),
        (32_000, 1_000_000, 1),
        (100_000, 64_000_000, 2),
    ] {
        let what = format!(
            "{nodes} nodes x 32, 32 ch, l <= 2, within {} MB",
            budget / 1_000_000
        );
        let params = json!({ "N": nodes, "budget": budget });
        add("W2", &what, &["fwdbwd"], &[threads], params);
    }
    let params = json!({ "budget": 1_000_000 });
    add("W4", "16 molecules, within 1 MB", &["train"], &[1], params);
    rows
}

impl Row {
    fn run(&self) -> Result<String, BadRequest> {
        let output = Command::new(env::current_exe()?)
            .args(["--workload", self.workload, "--mode", self.mode])
            .args(["--threads", &self.threads.to_string()])
            .args(["--params", &self.params.to_string()])
            .output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} {}: {text}", self.workload, self.mode).into());
        }
        let line: Value = serde_json::from_slice(&output.stdout)?;
        let number = |name: &str| line[name].as_f64();
        let memory = number("rss_peak_mb").zip(number("rss_import_mb"));
        let noisy = if line["noisy"] == true {
            " (noisy)"
        } else {
            ""
        };
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), significant);
        Ok(format!(
            "| {} {} | {} | {} | {}{noisy} | {} | {} | {} | {} | {} |",
            self.workload,
            self.what,
            self.mode,
            self.threads,
            cell(number("min_s")),
            cell(number("median_s")),
            memory.map_or("-".to_owned(), |(peak, start)| format!(
                "{:.0}",
                peak - start
            )),
            cell(number("floor_s")),
            number("fraction").map_or("-".to_owned(), |f| format!("{:.0} %", 100.0 * f)),
            number("flop")
                .zip(number("flop_naive"))
                .map_or("-".to_owned(), |(flop, naive)| {
                    format!("{:.2} ({:.2})", flop * 1e-9, naive * 1e-9)
                }),
        ))
    }
}

/// Three significant digits.
fn significant(value: f64) -> String {
    let digits = 2 - value.abs().log10().floor() as i32;
    format!("{value:.*}", digits.clamp(0, 9) as usize)
}
