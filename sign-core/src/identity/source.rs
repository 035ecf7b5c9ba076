//! Where identity tokens come from.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{IdentityToken, MAX_TOKEN_BYTES};
use crate::error::{Code, Error, Result};

/// Gives out identity tokens, a fresh one each time where it can.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token; its claims are checked by whoever uses it.
    async fn token(&self) -> Result<IdentityToken>;

    /// Where the token comes from, in words for people.
    fn name(&self) -> &str;
}

/// A token that the caller already has. It cannot be renewed.
#[derive(Clone)]
pub struct StaticToken(Zeroizing<String>);

impl StaticToken {
    /// Uses `raw` each time.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(Zeroizing::new(raw.into()))
    }
}

#[async_trait]
impl TokenSource for StaticToken {
    async fn token(&self) -> Result<IdentityToken> {
        IdentityToken::parse(&self.0)
    }

    fn name(&self) -> &str {
        "the argument given"
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticToken(redacted)")
    }
}

/// A file that holds a token, read anew each time because others may renew it.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
    name: String,
}

impl TokenFile {
    /// Reads tokens from `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = format!("the file {}", path.display());
        Self { path, name }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<IdentityToken> {
        let unreadable = |e: std::io::Error| {
            Error::new(Code::FileUnreadable, "the identity token cannot be read")
                .found(format!("{}: {e}", self.path.display()))
                .hint("give a token, or the name of a file that holds one")
                .caused_by(e)
        };
        let size = tokio::fs::metadata(&self.path).await.map_err(unreadable)?.len();
        // Someone who names the wrong file should hear so before it is read.
        if size > u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX) {
            return Err(Error::new(Code::TokenInvalid, "the file is too large to be an identity token")
                .expected(format!("at most {MAX_TOKEN_BYTES} bytes"))
                .found(format!("{size} bytes in {}", self.path.display())));
        }
        let raw = Zeroizing::new(tokio::fs::read_to_string(&self.path).await.map_err(unreadable)?);
        IdentityToken::parse(&raw).map_err(|e| e.context(&self.name))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_files_and_says_which_one_failed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = TokenFile::new(&path);
        let missing = source.token().await.unwrap_err();
        assert_eq!(missing.code(), Code::FileUnreadable);
        assert!(missing.to_string().contains("token"), "{missing}");

        let raw = super::super::tests::jwt(r#"{"iss":"i","sub":"s","exp":1}"#);
        std::fs::write(&path, format!("{raw}\n")).unwrap();
        assert_eq!(source.token().await.unwrap().secret(), raw);

        std::fs::write(&path, "A".repeat(MAX_TOKEN_BYTES + 1)).unwrap();
        assert_eq!(source.token().await.unwrap_err().code(), Code::TokenInvalid);
        assert!(!format!("{:?}", StaticToken::new(raw.clone())).contains(&raw));
    }
}
