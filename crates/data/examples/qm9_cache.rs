//! Makes the cache of QM9 from the wheel of `qm9pack`, and of a part of it that a seed draws.
//!
//! ```text
//! qm9_cache WHEEL CACHE                   the whole set
//! qm9_cache WHEEL CACHE COUNT SEED PART   and COUNT of its molecules into PART
//! ```

use std::time::Instant;

use steerable_data::{qm9, shuffled};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (wheel, cache, part) = match &arguments[..] {
        [wheel, cache] => (wheel, cache, None),
        [wheel, cache, count, seed, part] => (
            wheel,
            cache,
            Some((count.parse::<usize>()?, seed.parse()?, part)),
        ),
        _ => return Err("usage: qm9_cache WHEEL CACHE [COUNT SEED PART]".into()),
    };
    if qm9::sha256(wheel)? != qm9::WHEEL_SHA256 {
        println!("{wheel} is not the wheel of qm9pack 1.0.3; reading it all the same");
    }
    let start = Instant::now();
    let all = qm9::read_cached(wheel, cache)?;
    println!(
        "{} molecules in {:.3} s",
        all.len(),
        start.elapsed().as_secs_f64()
    );
    if let Some((count, seed, part)) = part {
        let mut order = shuffled(all.len(), seed);
        order.truncate(count);
        all.subset(&order).save(part)?;
        println!("{} of them in {part}", order.len());
    }
    Ok(())
}
