//! The table that is printed, and the two statistics in it.

pub struct Table {
    rows: Vec<[String; 6]>,
}

impl Table {
    pub fn new() -> Table {
        let head = ["figure", "ours", "OpenSSH client", "ratio", "must", "aim"].map(str::to_owned);
        Table { rows: vec![head, std::array::from_fn(|_| "---".into())] }
    }

    pub fn row(&mut self, name: &str, ours: f64, yardstick: Option<f64>, must: &str, aim: &str) {
        let other = yardstick.map_or(String::new(), number);
        let ratio = yardstick.map_or(String::new(), |yardstick| format!("{:.2}x", ours / yardstick));
        self.rows.push([name.into(), number(ours), other, ratio, must.into(), aim.into()]);
        eprintln!("  {}", self.rows[self.rows.len() - 1].join(" | "));
    }

    pub fn print(&self) {
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The nearest rank.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
