//! The nearest of some known names, for "did you mean".

/// The name that `wanted` was most likely meant to be; `None` where nothing is near.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any name that there is, and the comparison takes the square of it.
    if wanted.len() > 128 {
        return None;
    }
    let wanted = wanted.to_lowercase();
    let scored = known.map(|name| (strsim::jaro_winkler(&wanted, name), name));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= 0.75).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_not() {
        let known = ["workspace_read", "workspace_write", "memory_daily"];
        let near = |wanted: &str| nearest(wanted, known.into_iter());
        assert_eq!(near("workspace_wirte"), Some("workspace_write"));
        assert_eq!(near("Memory-Daily"), Some("memory_daily"));
        assert_eq!(near("qqq"), None);
        assert_eq!(near(&"workspace_read".repeat(1000)), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
