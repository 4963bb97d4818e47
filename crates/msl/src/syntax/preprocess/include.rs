//! `#include`: headers are texts that the caller registered, or come with the language.

use super::Preprocessor;
use super::raw::{Raw, RawKind};
use crate::diagnostic::{Diagnostic, Origin, Span, closest, codes};
use crate::syntax::lex::{self, Lexeme};
use crate::syntax::punct::Punct;

/// Headers of the language. Their contents are in force everywhere, so including one does nothing;
/// what this implementation lacks is reported where it is used.
const METAL_HEADERS: &[&str] = &[
    "metal_array",
    "metal_assert",
    "metal_atomic",
    "metal_command_buffer",
    "metal_common",
    "metal_compute",
    "metal_config",
    "metal_cooperative_tensor",
    "metal_extended_vector",
    "metal_functional",
    "metal_geometric",
    "metal_graphics",
    "metal_imageblocks",
    "metal_initializer_list",
    "metal_integer",
    "metal_interpolate",
    "metal_limits",
    "metal_logging",
    "metal_math",
    "metal_matrix",
    "metal_mesh",
    "metal_numeric",
    "metal_pack",
    "metal_packed_vector",
    "metal_pull",
    "metal_quadgroup",
    "metal_raytracing",
    "metal_reference",
    "metal_relational",
    "metal_simdgroup",
    "metal_simdgroup_matrix",
    "metal_stdlib",
    "metal_tensor",
    "metal_tessellation",
    "metal_texture",
    "metal_tuple",
    "metal_type_traits",
    "metal_types",
    "metal_uniform",
    "metal_utility",
    "metal_vector",
    "metal_visible_function_table",
    "simd/simd.h",
    "stdint.h",
    "cstdint",
    "MetalPerformancePrimitives/MetalPerformancePrimitives.h",
    "MetalPerformancePrimitives/MPPTensorOpsMatMul2d.h",
    "MetalPerformancePrimitives/MPPTensorOpsConvolution2d.h",
];

impl Preprocessor<'_> {
    /// The rest of an `#include` line. With `once`, the header is read at most once.
    pub(super) fn include(&mut self, directive: Span, once: bool) {
        let Some((name, place)) = self.header_name(directive) else { return };
        let Some(path) = self.find_header(&name) else {
            if !is_metal_header(&name) {
                self.header_not_found(&name, place);
            }
            return;
        };
        if self.once.contains(&path) {
            return;
        }
        if once {
            self.once.push(path.clone());
        }
        let limit = self.options.limits.include_depth;
        if self.files.len() > limit as usize {
            let message = format!("headers include each other more than {limit} deep");
            self.error(codes::syntax::PREPROCESSOR_LIMIT, place, message);
            return self.stop();
        }
        // An inclusion costs something, even of an empty header, and its text takes room in the map.
        let text = self.options.headers[&path].clone();
        if self.charge(text.len() / 16 + 1, place) {
            let file = self.session.add_file(&path, Origin::Header, text);
            self.enter_file(file);
        }
    }

    /// Whether `#include` of that name works.
    pub(super) fn knows_header(&self, name: &str) -> bool {
        self.find_header(name).is_some() || is_metal_header(name)
    }

    /// Makes the header being read one that is read at most once.
    pub(super) fn mark_once(&mut self) {
        if let Some(cursor) = self.files.last() {
            let name = self.session.map.file(cursor.file).name.to_string();
            if !self.once.contains(&name) {
                self.once.push(name);
            }
        }
    }

    /// The registered name that `name` means: beside the header being read, or as it stands.
    fn find_header(&self, name: &str) -> Option<String> {
        let including = self.files.last().map(|cursor| self.session.map.file(cursor.file));
        let folder =
            including.and_then(|file| file.name.rsplit_once('/')).map(|(folder, _)| folder);
        let beside = folder.map(|folder| normalized(&format!("{folder}/{name}")));
        let mut candidates = beside.into_iter().chain([normalized(name), name.to_owned()]);
        candidates.find(|candidate| self.options.headers.contains_key(candidate))
    }

    /// The name on the rest of the line, which is consumed, and its place.
    fn header_name(&mut self, directive: Span) -> Option<(String, Span)> {
        if let Some(cursor) = self.files.last_mut() {
            let scan = lex::scan(&cursor.text, cursor.at);
            let rest = &cursor.text[scan.start as usize..];
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            // Between angle brackets anything may stand, `//` for example.
            if scan.lexeme == Lexeme::Punct(Punct::Lt)
                && let Some(end) = line.find('>')
            {
                let name = line[1..end].trim().to_owned();
                cursor.at = scan.start + end as u32 + 1;
                let place = self
                    .session
                    .map
                    .span(crate::diagnostic::Location { file: cursor.file, offset: scan.start });
                self.skip_line();
                return Some((name, place));
            }
        }
        let line = self.rest_of_line();
        let line = match line.first() {
            Some(first) if first.kind == RawKind::Identifier => self.expand_list(line),
            _ => line,
        };
        match line.first() {
            Some(first) if first.kind == RawKind::Str => {
                let name = self.session.text(first.symbol).trim_matches('"').to_owned();
                Some((name, first.span))
            }
            Some(first) if first.is(Punct::Lt) => {
                let name = self.spelled(line.get(1..).unwrap_or_default());
                Some((name, first.span))
            }
            other => {
                let place = other.map_or(directive, |token| token.span);
                let message = "`#include` needs a header's name in quotes or angle brackets";
                self.error(codes::syntax::INVALID_DIRECTIVE, place, message);
                None
            }
        }
    }

    /// The spelling of tokens up to a closing angle bracket.
    fn spelled(&self, tokens: &[Raw]) -> String {
        let mut name = String::new();
        for token in tokens {
            match token.kind {
                RawKind::Punct(Punct::Gt) => break,
                RawKind::Punct(punct) => name.push_str(punct.text()),
                _ => name.push_str(self.session.text(token.symbol)),
            }
        }
        name
    }

    fn header_not_found(&mut self, name: &str, place: Span) {
        let message = format!("header `{name}` is not known");
        let mut diagnostic = Diagnostic::error(codes::syntax::HEADER_NOT_FOUND, place, message);
        let registered = self.options.headers.keys().map(String::as_str);
        if let Some(known) = closest(name, registered.chain(METAL_HEADERS.iter().copied())) {
            diagnostic = diagnostic.help(format!("did you mean `{known}`?"));
        }
        self.session.report(diagnostic);
    }
}

fn is_metal_header(name: &str) -> bool {
    METAL_HEADERS.contains(&name)
}

/// `path` without `.` and `..` parts where they can be resolved.
fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
