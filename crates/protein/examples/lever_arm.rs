//! The lever-arm effect: how far atoms move along a chain when each torsion is a little off.
//!
//! ```text
//! cargo run --release -p steerable-protein --example lever_arm -- docs/lever_arm.svg [STRUCTURE]
//! ```
//!
//! Draws the root mean square displacement of CA over 200 draws of normal noise on psi, omega and phi,
//! residue by residue, with the first residue held fast. The structure's first chain up to its first break;
//! by default one that ships with the project.

use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use steerable_protein::{Backbone, InternalCoordinates, Matched, file};

const DRAWS: usize = 200;
/// Standard deviations of the noise, in degrees, and their colours.
const NOISE: [(f64, RGBColor); 4] = [
    (0.1, RGBColor(160, 200, 240)),
    (0.5, RGBColor(90, 150, 220)),
    (2.0, RGBColor(40, 80, 200)),
    (5.0, RGBColor(20, 30, 110)),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let picture = arguments.next().ok_or("name the picture, an .svg file")?;
    let structure = arguments.next().unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins/3PWP_B.pdb.gz")
    });
    let backbone = first_segment(&structure)?;
    let internal = InternalCoordinates::of(&backbone)?;
    let mut rng = StdRng::seed_from_u64(1);
    let mut curves = Vec::new();
    for (degrees, color) in NOISE {
        let mut squares = vec![0.0; backbone.len()];
        let mut superposed = 0.0;
        for _ in 0..DRAWS {
            let noisy = internal
                .clone()
                .with_torsion_noise(degrees.to_radians(), &mut rng)
                .to_backbone();
            let (model, reference) = (noisy.ca(), backbone.ca());
            for (sum, (a, b)) in squares.iter_mut().zip(model.iter().zip(&reference)) {
                *sum += (a - b).norm_squared() / DRAWS as f64;
            }
            let matched = Matched {
                model: &model,
                reference: &reference,
            };
            superposed += matched.superpose()?.rmsd / DRAWS as f64;
        }
        let curve: Vec<f64> = squares.into_iter().map(f64::sqrt).collect();
        println!(
            "{degrees} degrees: {:.3} angstrom at the last of {} residues; CA-RMSD {superposed:.3}",
            curve[curve.len() - 1],
            curve.len()
        );
        curves.push((format!("{degrees} degrees"), color, curve));
    }
    draw(&picture, &curves)
}

/// The first chain up to its first break.
fn first_segment(path: &Path) -> Result<Backbone, Box<dyn Error>> {
    let chain = &file::read(path)?.chains[0];
    let backbone = chain.backbone().backbone;
    let end = (1..backbone.len())
        .find(|&i| !backbone.is_bonded_to_previous(i))
        .unwrap_or(backbone.len());
    Ok(Backbone::unbroken(backbone.residues()[..end].to_vec()))
}

fn draw(path: &Path, curves: &[(String, RGBColor, Vec<f64>)]) -> Result<(), Box<dyn Error>> {
    let canvas = SVGBackend::new(path, (760, 460)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let last = curves
        .iter()
        .map(|(_, _, curve)| curve.len())
        .max()
        .unwrap_or(2) as f64;
    let mut chart = ChartBuilder::on(&canvas)
        .caption(
            "small errors of torsions add up along the chain",
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(1.0..last, (0.001..100.0).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("residue")
        .y_desc("displacement of CA in angstrom")
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (name, color, curve) in curves {
        let style = color.stroke_width(2);
        // The first residue does not move, and zero has no place on a logarithmic axis.
        let points = (1..).map(f64::from).zip(curve.iter().copied());
        let points = points.filter(|(_, displacement)| *displacement >= 0.001);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .position(SeriesLabelPosition::LowerRight)
        .draw()?;
    canvas.present()?;
    Ok(())
}
