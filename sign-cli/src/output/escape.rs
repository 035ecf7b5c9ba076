//! Text from outside, made harmless: no escape sequence, no bidi trick, no carriage return.

/// `text` with everything that a terminal would act on written as `\u{…}`.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_a_terminal(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
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
    fn escapes_what_a_terminal_acts_on_and_nothing_else() {
        assert_eq!(plain("a\u{1b}[31mb\r\n\u{202e}c\u{7}"), "a\\u{1b}[31mb\\u{d}\\u{a}\\u{202e}c\\u{7}");
        assert_eq!(plain("Grüße – 签名 ✓"), "Grüße – 签名 ✓");
        assert_eq!(plain("\u{9b}31m\u{200b}\u{0}"), "\\u{9b}31m\\u{200b}\\u{0}");
    }
}
