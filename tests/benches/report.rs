//! The tables that are printed: a row is a figure, a column what was varied.

use std::fmt::Write;

use crate::load::figures::Series;

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    columns: Vec<String>,
    rows: Vec<(&'static str, Vec<Series>)>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: Vec<String>) -> Self {
        Self { title: title.into(), columns, rows: Vec::new() }
    }

    /// Adds one round's figure. Rows stand in the order in which they are first added.
    pub(crate) fn add(&mut self, row: &'static str, column: usize, value: f64) {
        let at = self.rows.iter().position(|(name, _)| *name == row).unwrap_or_else(|| {
            self.rows.push((row, vec![Series::default(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[at].1[column].push(value);
    }

    /// Says what all rounds came to, instead of what was said before.
    pub(crate) fn set(&mut self, row: &'static str, column: usize, value: f64) {
        self.add(row, column, value);
        let found = self.rows.iter_mut().find(|(name, _)| *name == row);
        if let Some(series) = found.and_then(|(_, row)| row.get_mut(column)) {
            *series = Series::default();
            series.push(value);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For people: medians, with the least and the most of all rounds in parentheses.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![vec![self.title.clone()]];
        lines[0].extend(self.columns.iter().cloned());
        for (name, series) in &self.rows {
            let mut line = vec![(*name).to_owned()];
            line.extend(series.iter().map(cell));
            lines.push(line);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let _ = write!(text, "{:<width$}", line[0], width = widths[0]);
            for (cell, width) in line.iter().zip(&widths).skip(1) {
                let _ = write!(text, "  {cell:>width$}");
            }
            text.push('\n');
        }
        text
    }

    /// For programs: one object for each figure.
    pub(crate) fn json(&self) -> Vec<String> {
        let figure = |name: &str, column: &str, series: &Series| {
            format!(
                "{{\"table\": {:?}, \"figure\": {name:?}, \"at\": {column:?}, \"median\": {}, \"least\": {}, \"most\": {}, \
                 \"rounds\": {}}}",
                self.title,
                series.median(),
                series.least(),
                series.most(),
                series.rounds(),
            )
        };
        let filled = |(_, series): &(&String, &Series)| series.rounds() > 0;
        self.rows
            .iter()
            .flat_map(|(name, row)| {
                self.columns
                    .iter()
                    .zip(row)
                    .filter(filled)
                    .map(move |(column, series)| figure(name, column, series))
            })
            .collect()
    }
}

fn cell(series: &Series) -> String {
    match series.rounds() {
        0 => "-".into(),
        1 => short(series.median()),
        _ => format!("{} ({}-{})", short(series.median()), short(series.least()), short(series.most())),
    }
}

/// Three digits that count, thousands apart.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => {
            let whole = format!("{value:.0}");
            let split = whole.len() - 3;
            if split > 3 {
                format!("{},{},{}", &whole[..split - 3], &whole[split - 3..split], &whole[split..])
            } else {
                format!("{},{}", &whole[..split], &whole[split..])
            }
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
