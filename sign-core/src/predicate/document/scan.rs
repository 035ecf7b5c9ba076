//! Going through JSON text that has been parsed before, byte by byte.
//!
//! Every function comes to an end and never panics, whatever the text: the place of a syntax error is
//! looked for with them too.

/// The offset of the next byte that is no white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The offset at which the value that starts at `at` ends.
pub(super) fn skip_value(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => skip_string(bytes, at),
        Some(b'{' | b'[') => skip_container(bytes, at),
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r');
            // At least one byte, so that whoever goes from value to value comes to an end even in text
            // that turned out not to be JSON.
            at + rest.iter().position(ends).unwrap_or(rest.len()).max(1)
        }
    }
}

/// The start of the next element of the container that `at` is in, past a comma; none at its end.
pub(super) fn next_element(bytes: &[u8], at: usize) -> Option<usize> {
    let at = skip_space(bytes, at);
    match bytes.get(at)? {
        b',' => Some(skip_space(bytes, at + 1)),
        b']' | b'}' => None,
        _ => Some(at),
    }
}

fn skip_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn skip_container(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = skip_string(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}
