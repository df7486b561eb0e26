//! Tables, for platforms that have none: columns that stand below each other.

/// The widest that a column is made: what is longer stands as it is, so that one cell makes no page of spaces.
const WIDEST: usize = 60;

/// A table that is being read.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a row.
    pub(crate) fn row(&mut self) {
        self.rows.push(vec![]);
    }

    /// Begins a cell.
    pub(crate) fn cell(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.push(String::new());
        }
    }

    /// Adds to the cell that was begun last.
    pub(crate) fn push(&mut self, text: &str) {
        if let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut()) {
            cell.push_str(&text.replace('\n', " "));
        }
    }

    /// The lines, with a rule below the first.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.trim().chars().count()).max().unwrap_or(0).min(WIDEST)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut lines = vec![];
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{:width$}", cell.trim()));
            lines.push(cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned());
            if index == 0 {
                let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
                lines.push(rules.join("-+-"));
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_any_length_makes_no_page_of_spaces() {
        let mut table = Table::default();
        for cells in [["a", "b"], [&"x".repeat(70_000), "c"]] {
            table.row();
            for cell in cells {
                table.cell();
                table.push(cell);
            }
        }
        let text = table.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], format!("a{} | b", " ".repeat(WIDEST - 1)));
        assert_eq!(lines[1], format!("{}-+--", "-".repeat(WIDEST)));
        assert_eq!(lines[2].len(), 70_000 + " | c".len());
    }
}
