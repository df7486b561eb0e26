//! Columns.

use openpact_model::text::{one_line, terminal};

use super::{Output, Style, add};

/// The widest that a cell is shown.
const WIDEST: usize = 100;

/// Rows of cells under a heading. Everything put in is made safe for a terminal.
pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<(String, Option<Style>)>>,
}

impl Table {
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// A row of plain cells.
    pub(super) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.styled(cells.map(|cell| (cell, None)));
    }

    /// A row whose cells may have a style.
    pub(super) fn styled<const N: usize>(&mut self, cells: [(&str, Option<Style>); N]) {
        let cells =
            cells.map(|(text, style)| (one_line(if text.is_empty() { "-" } else { text }, WIDEST), style));
        self.rows.push(cells.into());
    }

    /// The table as text; nothing but a line end where a row ends.
    pub(super) fn text(&self, output: Output) -> String {
        let widths: Vec<usize> = (0..self.heads.len()).map(|column| self.width(column)).collect();
        let heads: Vec<_> = self.heads.iter().map(|head| ((*head).to_owned(), Some(Style::Bold))).collect();
        let lines = std::iter::once(&heads).chain(&self.rows).map(|row| line(output, row, &widths));
        lines.collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].0.chars().count());
        cells.chain([self.heads[column].chars().count()]).max().unwrap_or(0)
    }
}

/// What a table had to cut, in full: a line each, behind the name of its row.
pub(super) fn in_full<'a>(cells: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut full = String::new();
    for (name, text) in cells.filter(|(_, text)| text.chars().count() > WIDEST) {
        add(&mut full, format_args!("{}: {}\n", one_line(name, 64), terminal(text)));
    }
    full
}

fn line(output: Output, row: &[(String, Option<Style>)], widths: &[usize]) -> String {
    let mut text = String::new();
    for (index, ((cell, style), width)) in row.iter().zip(widths).enumerate() {
        text.push_str(&style.map_or_else(|| cell.clone(), |style| output.styled(cell, style)));
        if index + 1 < row.len() {
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_cells_are_made_safe() {
        let mut table = Table::new(&["NAME", "ABOUT"]);
        table.row(["a", "first"]);
        table.row(["longer", "\u{1b}[31mred\nline"]);
        table.row(["", "empty"]);
        let plain = Output { json: false, colours: false };
        let expected = "NAME    ABOUT\na       first\nlonger  \\u{1b}[31mred\\u{a}line\n-       empty\n";
        assert_eq!(table.text(plain), expected);
        let long = "word ".repeat(WIDEST);
        assert_eq!(
            in_full([("a", "short"), ("b\u{1b}", long.as_str())].into_iter()),
            format!("b\\u{{1b}}: {long}\n")
        );
        let coloured = Output { json: false, colours: true };
        assert!(table.text(coloured).starts_with("\u{1b}[1mNAME\u{1b}[0m    \u{1b}[1mABOUT"));
    }
}
