//! From method and path to an operation: templates, and a tree of them in which at most one can match.

use std::collections::HashMap;

use crate::limits::{NAME_BYTES_MAX, SEGMENTS_MAX};

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Stands for itself.
    Literal(String),
    /// `{name}`: any one segment that is not empty.
    Parameter(String),
}

/// Reads `/invoices/{id}`. Errs with what is wrong.
pub(crate) fn parse_template(path: &str) -> Result<Vec<Segment>, String> {
    let Some(rest) = path.strip_prefix('/') else { return Err("does not begin with `/`".to_owned()) };
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let segments = rest.split('/').map(parse_segment).collect::<Result<Vec<_>, _>>()?;
    if segments.len() > SEGMENTS_MAX {
        return Err(format!("has more than {SEGMENTS_MAX} segments"));
    }
    Ok(segments)
}

fn parse_segment(text: &str) -> Result<Segment, String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err(format!("has the segment `{text}`, which is not in normal form"));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(format!("has a segment of more than {NAME_BYTES_MAX} bytes"));
    }
    let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['{', '}'])) {
        return Ok(Segment::Parameter(name.to_owned()));
    }
    // RFC 3986 section 3.3, pchar without percent-encoding: what stands here is forwarded as it stands.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)) {
        return Ok(Segment::Literal(text.to_owned()));
    }
    Err(format!("has the segment `{text}`, which is neither a literal nor one whole `{{name}}`"))
}

/// Templates by method and number of segments, each as a tree of segments.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    roots: HashMap<String, HashMap<usize, Node>>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    parameter: Option<Box<Node>>,
    operation: Option<usize>,
}

impl Routes {
    /// Adds a template. Errs with the operation whose template could match one path with this one.
    pub(crate) fn insert(
        &mut self,
        method: &str,
        template: &[Segment],
        operation: usize,
    ) -> Result<(), usize> {
        let root = self.roots.entry(method.to_owned()).or_default().entry(template.len()).or_default();
        if let Some(other) = root.overlap(template) {
            return Err(other);
        }
        root.insert(template, operation);
        Ok(())
    }

    /// The one operation whose template matches.
    pub(crate) fn find(&self, method: &str, segments: &[String]) -> Option<usize> {
        self.roots.get(method)?.get(&segments.len())?.find(segments)
    }
}

impl Node {
    fn insert(&mut self, template: &[Segment], operation: usize) {
        match template.split_first() {
            None => self.operation = Some(operation),
            Some((Segment::Literal(text), rest)) => {
                self.literals.entry(text.clone()).or_default().insert(rest, operation);
            }
            Some((Segment::Parameter(_), rest)) => {
                self.parameter.get_or_insert_default().insert(rest, operation);
            }
        }
    }

    /// An operation under this node that a path matching `template` could match too.
    fn overlap(&self, template: &[Segment]) -> Option<usize> {
        let Some((first, rest)) = template.split_first() else { return self.operation };
        let parameter = self.parameter.as_deref();
        match first {
            Segment::Literal(text) => {
                self.literals.get(text).into_iter().chain(parameter).find_map(|node| node.overlap(rest))
            }
            Segment::Parameter(_) => {
                self.literals.values().chain(parameter).find_map(|node| node.overlap(rest))
            }
        }
    }

    fn find(&self, segments: &[String]) -> Option<usize> {
        let Some((first, rest)) = segments.split_first() else { return self.operation };
        // A literal and a parameter may stand side by side (`/a/{x}/c`, `/a/b/d`), so both ways are tried; since no two
        // templates overlap, at most one of them arrives.
        let literal = self.literals.get(first).and_then(|node| node.find(rest));
        literal.or_else(|| if first.is_empty() { None } else { self.parameter.as_ref()?.find(rest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(templates: &[&str]) -> Result<Routes, usize> {
        let mut routes = Routes::default();
        for (index, template) in templates.iter().enumerate() {
            routes.insert("GET", &parse_template(template).unwrap(), index)?;
        }
        Ok(routes)
    }

    fn find(routes: &Routes, path: &str) -> Option<usize> {
        let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        routes.find("GET", &segments)
    }

    #[test]
    fn finds_the_one_template_that_matches() {
        let routes = routes(&["/a/{x}/c", "/a/b/d", "/a", "/a/{x}"]).unwrap();
        assert_eq!(find(&routes, "/a/b/c"), Some(0));
        assert_eq!(find(&routes, "/a/b/d"), Some(1));
        assert_eq!(find(&routes, "/a"), Some(2));
        assert_eq!(find(&routes, "/a/b"), Some(3));
        assert_eq!(find(&routes, "/a/z/d"), None);
        assert_eq!(find(&routes, "/A"), None);
        assert_eq!(find(&routes, "/a/"), None);
        assert_eq!(routes.find("POST", &["a".to_owned()]), None);
    }

    #[test]
    fn refuses_templates_that_could_match_one_path() {
        assert_eq!(routes(&["/a/{x}", "/a/b"]).unwrap_err(), 0);
        assert_eq!(routes(&["/a/b", "/a/{x}"]).unwrap_err(), 0);
        assert_eq!(routes(&["/a/{x}", "/a/{y}"]).unwrap_err(), 0);
        assert_eq!(routes(&["/a/{x}/c", "/a/b/{y}"]).unwrap_err(), 0);
        assert_eq!(routes(&["/{x}/b", "/a/{y}"]).unwrap_err(), 0);
        assert!(routes(&["/a/{x}/c", "/a/b/d"]).is_ok());
    }

    #[test]
    fn refuses_templates_that_are_not_whole() {
        for bad in [
            "", "a", "/a//b", "/a/", "/a/../b", "/a/.", "/x{y}", "/{y}x", "/{}", "/{a}{b}", "/a b", "/a%2Fb",
            "/ä",
        ] {
            assert!(parse_template(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_template("/").unwrap(), []);
    }
}
