//! OpenPact: a self-hosted AI assistant whose extensions cannot steal.

fn main() {}
