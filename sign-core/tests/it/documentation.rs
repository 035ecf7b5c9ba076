//! What the documents promise is there.

use std::path::Path;

use sign_core::Code;

#[test]
fn every_code_is_documented_under_its_exit_status_and_none_beside_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/codes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut status = None;
    let mut documented = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("## Exit status ") {
            status = rest.chars().next().and_then(|c| c.to_digit(10));
        } else if let Some(code) = line.strip_prefix("### ") {
            documented.push((code.to_owned(), status.unwrap()));
        }
    }
    let mut expected: Vec<_> =
        Code::ALL.iter().map(|c| (c.to_string(), u32::from(c.outcome().exit_status()))).collect();
    expected.sort();
    documented.sort();
    assert_eq!(documented, expected);
}
