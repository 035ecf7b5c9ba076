//! OLPC canonical JSON, which TUF signs. It is not RFC 8785: strings escape two characters only.

use serde_json::Value;

use crate::pki::BoxError;

/// The canonical form of `value`.
pub(super) fn canonical(value: &Value) -> Result<Vec<u8>, BoxError> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text.into_bytes())
}

fn write(value: &Value, to: &mut String) -> Result<(), BoxError> {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) if number.is_f64() => return Err("canonical JSON has no fractions".into()),
        Value::Number(number) => to.push_str(&number.to_string()),
        Value::String(text) => write_string(text, to),
        Value::Array(values) => {
            to.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                write(value, to)?;
            }
            to.push(']');
        }
        Value::Object(members) => {
            // serde_json may keep the order of insertion: a feature that any crate can switch on.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            to.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                write_string(name, to);
                to.push(':');
                write(value, to)?;
            }
            to.push('}');
        }
    }
    Ok(())
}

/// Only the quote and the backslash are escaped; a line break stays one.
fn write_string(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            to.push('\\');
        }
        to.push(c);
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn is_sorted_and_hardly_escaped() {
        let value = json!({"b": [1, true, null, -2], "a": "x\n\"\\\u{e9}\u{1}", "B": {}});
        let expected = "{\"B\":{},\"a\":\"x\n\\\"\\\\\u{e9}\u{1}\",\"b\":[1,true,null,-2]}";
        assert_eq!(String::from_utf8(canonical(&value).unwrap()).unwrap(), expected);
    }

    #[test]
    fn has_no_fractions() {
        assert!(canonical(&json!([1.5])).is_err());
    }
}
