//! Statements: no panic, and the predicate is part of the payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sign_core::Statement;

fuzz_target!(|data: &[u8]| {
    if let Ok(statement) = Statement::parse(data.to_vec()) {
        assert_eq!(statement.payload(), data);
        assert!(!statement.subjects().is_empty());
    }
});
