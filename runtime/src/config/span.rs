//! Times that must not be nothing, over all sections.

use super::Config;
use super::unit::Span;

impl Config {
    /// Every limit in time under which nothing could ever be done: the key, and a sentence.
    pub(super) fn zero_times(&self) -> Vec<(String, String)> {
        let call = &self.limits.call;
        let fixed = [
            ("engine.deadline", Some(self.engine.deadline)),
            ("engine.idle", Some(self.engine.idle)),
            ("tools.deadline", Some(self.tools.deadline)),
            ("limits.call.wall", Some(call.wall)),
            ("limits.call.cpu", Some(call.cpu)),
        ];
        let fixed = fixed.map(|(key, span)| (key.to_owned(), span));
        let components = self.components.iter().flat_map(|(name, component)| {
            let key = |limit: &str| format!("components.{name}.limits.{limit}");
            [(key("wall"), component.limits.wall), (key("cpu"), component.limits.cpu)]
        });
        let all = fixed.into_iter().chain(components);
        let zero = all.filter(|(_, span)| span.is_some_and(|Span(time)| time.is_zero()));
        zero.map(|(key, _)| {
            (key.clone(), format!("'{key}': in no time nothing can be done; write more than 0s"))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::environment::Environment;
    use super::*;

    #[track_caller]
    fn check(text: &str, refused: Option<&str>) {
        let parsed = Config::parse(Path::new("c.yaml"), text, &Environment::default());
        match refused {
            None => drop(parsed.unwrap()),
            Some(key) => {
                let error = parsed.unwrap_err().to_string();
                assert!(error.contains(&format!("'{key}': in no time nothing can be done")), "{error}");
            }
        }
    }

    #[test]
    fn a_limit_of_no_time_is_refused_and_the_least_time_is_not() {
        check("engine: { deadline: 0s }", Some("engine.deadline"));
        check("engine: { deadline: 1ms }", None);
        check("limits: { call: { wall: 0ms } }", Some("limits.call.wall"));
        check("components: { web: { limits: { cpu: 0s } } }", Some("components.web.limits.cpu"));
        check("components: { web: { limits: { cpu: 1ms } } }", None);
        // Ending without waiting can be meant.
        check("limits: { shutdown: 0s }", None);
    }
}
