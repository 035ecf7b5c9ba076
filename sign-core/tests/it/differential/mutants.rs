//! Mutants: one field removed, taken from another bundle, flipped in one bit, or written twice.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::Subject;

/// What was done to a bundle.
#[derive(Debug, Clone)]
pub enum Change {
    /// The field, or element, is gone.
    Removed,
    /// It is the one of the bundle with that name.
    Swapped(String),
    /// One bit of what it stands for is another.
    Flipped,
    /// Its element is in the list twice.
    Repeated,
    /// Its name is in the object twice.
    NamedTwice,
}

/// A changed bundle.
pub struct Mutant<'a> {
    pub subject: &'a Subject,
    pub pointer: String,
    pub change: Change,
    pub json: Vec<u8>,
}

impl fmt::Display for Mutant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.subject.name, self.pointer)?;
        match &self.change {
            Change::Removed => f.write_str("removed"),
            Change::Swapped(other) => write!(f, "swapped with that of {other}"),
            Change::Flipped => f.write_str("flipped"),
            Change::Repeated => f.write_str("repeated"),
            Change::NamedTwice => f.write_str("named twice"),
        }
    }
}

/// An endless sequence, the same for the same seed. The four kinds take turns; removals and
/// repetitions come round to every field of every bundle before one comes again.
pub struct Mutants<'a> {
    subjects: &'a [Subject],
    /// Subject and pointer of every field.
    fields: Vec<(usize, String)>,
    turn: usize,
    cursors: [usize; 2],
    random: Random,
}

impl<'a> Mutants<'a> {
    pub fn new(subjects: &'a [Subject], seed: u64) -> Self {
        let mut fields = Vec::new();
        for (index, subject) in subjects.iter().enumerate() {
            let mut found = Vec::new();
            pointers(subject.json.as_ref().unwrap(), String::new(), &mut found);
            fields.extend(found.into_iter().map(|pointer| (index, pointer)));
        }
        let mut random = Random(seed);
        for at in (1..fields.len()).rev() {
            fields.swap(at, random.below(at + 1));
        }
        Self { subjects, fields, turn: 0, cursors: [0; 2], random }
    }

    /// How many mutants it takes until each field was removed and repeated.
    pub fn round(&self) -> usize {
        self.fields.len() * 4
    }

    fn in_order(&mut self, which: usize) -> (&'a Subject, String) {
        let (index, pointer) = self.fields[self.cursors[which] % self.fields.len()].clone();
        self.cursors[which] += 1;
        (&self.subjects[index], pointer)
    }

    fn at_random(&mut self) -> (&'a Subject, String) {
        let (index, pointer) = self.fields[self.random.below(self.fields.len())].clone();
        (&self.subjects[index], pointer)
    }

    fn removed(&mut self) -> Option<Mutant<'a>> {
        let (subject, pointer) = self.in_order(0);
        let mut json = subject.json.clone()?;
        let (parent, key) = pointer.rsplit_once('/')?;
        match json.pointer_mut(parent)? {
            Value::Object(object) => drop(object.remove(key)?),
            Value::Array(array) => drop(array.remove(key.parse().ok()?)),
            _ => return None,
        }
        Some(Mutant { subject, pointer, change: Change::Removed, json: json.to_string().into_bytes() })
    }

    fn repeated(&mut self) -> Option<Mutant<'a>> {
        let (subject, pointer) = self.in_order(1);
        let json = subject.json.as_ref()?;
        let (parent, key) = pointer.rsplit_once('/')?;
        if let Some(Value::Array(array)) = json.pointer(parent) {
            let mut json = json.clone();
            let index: usize = key.parse().ok()?;
            let again = array.get(index)?.clone();
            json.pointer_mut(parent)?.as_array_mut()?.insert(index, again);
            let json = json.to_string().into_bytes();
            return Some(Mutant { subject, pointer, change: Change::Repeated, json });
        }
        let mut text = Vec::new();
        write(json, "", &pointer, &mut text);
        Some(Mutant { subject, pointer, change: Change::NamedTwice, json: text })
    }

    fn swapped(&mut self) -> Option<Mutant<'a>> {
        let (subject, pointer) = self.at_random();
        let other = &self.subjects[self.random.below(self.subjects.len())];
        let mut json = subject.json.clone()?;
        let (own, foreign) = (json.pointer_mut(&pointer)?, other.json.as_ref()?.pointer(&pointer)?);
        if own == foreign {
            return None;
        }
        *own = foreign.clone();
        let change = Change::Swapped(other.name.clone());
        Some(Mutant { subject, pointer, change, json: json.to_string().into_bytes() })
    }

    fn flipped(&mut self) -> Option<Mutant<'a>> {
        let (subject, pointer) = self.at_random();
        let mut json = subject.json.clone()?;
        match json.pointer_mut(&pointer)? {
            Value::String(text) => *text = self.flip(text)?,
            Value::Number(number) => {
                let bit = 1 << self.random.below(32);
                *number = (number.as_i64()? ^ bit).into();
            }
            _ => return None,
        }
        Some(Mutant { subject, pointer, change: Change::Flipped, json: json.to_string().into_bytes() })
    }

    /// Another text: one bit of the bytes that it encodes, of the number, or of the text itself.
    fn flip(&mut self, text: &str) -> Option<String> {
        if let Ok(number) = text.parse::<i64>() {
            return Some((number ^ (1 << self.random.below(32))).to_string());
        }
        match BASE64_STANDARD.decode(text) {
            Ok(mut bytes) if !bytes.is_empty() => {
                let at = self.random.below(bytes.len());
                bytes[at] ^= 1 << self.random.below(8);
                Some(BASE64_STANDARD.encode(bytes))
            }
            _ => {
                let mut bytes = text.as_bytes().to_vec();
                let at = self.random.below(bytes.len().max(1));
                *bytes.get_mut(at)? ^= 1 << self.random.below(7);
                String::from_utf8(bytes).ok()
            }
        }
    }
}

impl<'a> Iterator for Mutants<'a> {
    type Item = Mutant<'a>;

    fn next(&mut self) -> Option<Mutant<'a>> {
        loop {
            self.turn += 1;
            let mutant = match self.turn % 4 {
                0 => self.removed(),
                1 => self.repeated(),
                2 => self.swapped(),
                _ => self.flipped(),
            };
            if mutant.is_some() {
                return mutant;
            }
        }
    }
}

/// SplitMix64: not secret, only the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// The JSON pointer of everything in `value`.
fn pointers(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, child)| pointers(child, format!("{at}/{key}"), out));
        }
        Value::Array(array) => {
            array.iter().enumerate().for_each(|(index, child)| pointers(child, format!("{at}/{index}"), out));
        }
        _ => {}
    }
    if !at.is_empty() {
        out.push(at);
    }
}

/// Writes `value` with the member at `twice` written two times.
fn write(value: &Value, at: &str, twice: &str, out: &mut Vec<u8>) {
    match value {
        Value::Object(object) => {
            out.push(b'{');
            let mut first = true;
            for (key, child) in object {
                let here = format!("{at}/{key}");
                for _ in 0..if here == twice { 2 } else { 1 } {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    out.extend(Value::from(key.as_str()).to_string().bytes());
                    out.push(b':');
                    write(child, &here, twice, out);
                }
            }
            out.push(b'}');
        }
        Value::Array(array) => {
            out.push(b'[');
            for (index, child) in array.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(child, &format!("{at}/{index}"), twice, out);
            }
            out.push(b']');
        }
        other => out.extend(other.to_string().bytes()),
    }
}
