//! Text from outside, made harmless: no escape sequence, no bidi trick, no carriage return, no command to
//! whatever reads the log of a build.

/// `text` with everything that a terminal or a build's runner would act on written as `\u{…}`.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if acts_on_a_terminal(c) || commands_a_runner(text, at) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether the character at `at` begins what GitHub's runner takes for a command: `##[…]` anywhere in a line,
/// `::…::` at its start, in front of which it ignores white space.
pub(super) fn commands_a_runner(text: &str, at: usize) -> bool {
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let starts_a_line = || before.chars().rev().take_while(|&c| c != '\n').all(char::is_whitespace);
    rest.starts_with("##[") || (rest.starts_with("::") && starts_a_line())
}

/// Whether a terminal does something other than show `c`.
pub(super) fn acts_on_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // zero-width, bidi marks, embeddings, overrides and isolates: they reorder or hide text
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_line_is_no_command_to_a_runner() {
        assert_eq!(plain("x ##[set-env name=PATH]y"), "x \\u{23}#[set-env name=PATH]y");
        assert_eq!(plain("####[group]"), "##\\u{23}#[group]");
        assert_eq!(plain("::add-mask::a::"), "\\u{3a}:add-mask::a::");
        assert_eq!(plain("  ::stop-commands::x"), "  \\u{3a}:stop-commands::x");
        assert_eq!(plain(":::stop-commands::x"), "\\u{3a}::stop-commands::x");
        assert_eq!(plain("a::b # c ## d"), "a::b # c ## d");
    }

    #[test]
    fn escapes_what_a_terminal_acts_on_and_nothing_else() {
        assert_eq!(plain("a\u{1b}[31mb\r\n\u{202e}c\u{7}"), "a\\u{1b}[31mb\\u{d}\\u{a}\\u{202e}c\\u{7}");
        assert_eq!(plain("Grüße – 签名 ✓"), "Grüße – 签名 ✓");
        assert_eq!(plain("\u{9b}31m\u{200b}\u{0}"), "\\u{9b}31m\\u{200b}\\u{0}");
    }
}
