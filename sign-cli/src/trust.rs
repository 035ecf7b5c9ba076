//! Which trust material the global options stand for, and what is said about it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sign_core::{
    Code, DEFAULT_TIMEOUT, Error, Result, SigningConfig, TrustCache, TrustMaterial, TrustOrigin, TrustStore,
    TrustUpdate, TrustedRoot, TufRepository,
};

use crate::context::{Context, MAX_TRUST_FILE};
use crate::files::read_file;
use crate::progress::Progress;

/// Deadline of each request of an update that somebody waits for who asked for something else, and
/// while there is something to go on with.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far ahead of this machine's clock a time may be: a file can come from another machine. One from
/// further ahead would be young for ever.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// Whom to trust, and why.
#[derive(Debug)]
pub(crate) enum Trust {
    /// A file of the user's. It does not expire.
    File { path: PathBuf, trusted_root: TrustedRoot, modified: Option<Timestamp> },
    /// What an instance's TUF repository publishes.
    Tuf { store: TrustStore, material: Box<TrustMaterial> },
}

impl Trust {
    /// Finds it. The network is asked only if no file is given and the cache is not fresh.
    pub(crate) fn find(context: &Context) -> Result<Self> {
        let trust = match Self::from_file(context)? {
            Some(file) => file,
            None => Self::from_tuf(context)?,
        };
        trust.check_age(context)?;
        trust.tell(context);
        Ok(trust)
    }

    /// What there is without asking anybody.
    pub(crate) fn find_offline(context: &Context) -> Result<Self> {
        if let Some(file) = Self::from_file(context)? {
            return Ok(file);
        }
        let store = store(context)?;
        let material = Box::new(store.offline()?);
        Ok(Self::Tuf { store, material })
    }

    fn from_file(context: &Context) -> Result<Option<Self>> {
        let (path, trusted_root) = if let Some(path) = &context.global.trusted_root {
            let root = TrustedRoot::from_json(&read_file(path, MAX_TRUST_FILE)?);
            (path, root.map_err(|e| e.context(path.display()))?)
        } else if let (Some(path), Some(config)) = (&context.global.trust_config, context.trust_config()?) {
            (path, config.trusted_root)
        } else {
            return Ok(None);
        };
        let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
        Ok(Some(Self::File { path: path.clone(), trusted_root, modified }))
    }

    fn from_tuf(context: &Context) -> Result<Self> {
        let (store, now) = (store(context)?, context.clock().now());
        let fresh = || store.cached().filter(|cached| cached.is_fresh(now));
        let material = if context.global.offline {
            store.offline()?
        } else if let Some(fresh) = fresh() {
            fresh
        } else {
            let _progress = Progress::start(context.output, "updating trust material");
            let deadline = if store.offline().is_ok() { PATIENCE } else { DEFAULT_TIMEOUT };
            let http = context.http_within(deadline)?;
            wait_for(async || store.current(&http, now).await)?
        };
        Ok(Self::Tuf { store, material: Box::new(material) })
    }

    pub(crate) fn trusted_root(&self) -> &TrustedRoot {
        match self {
            Self::File { trusted_root, .. } => trusted_root,
            Self::Tuf { material, .. } => &material.trusted_root,
        }
    }

    /// The signing config of the same instance, where it is published along.
    pub(crate) fn signing_config(&self) -> Result<SigningConfig> {
        match self {
            Self::Tuf { material, .. } => material.signing_config(),
            Self::File { .. } => Err(Error::new(Code::InvalidArgument, "signing needs to know the services")
                .expected("--trust-config, or --signing-config beside --trusted-root")),
        }
    }

    /// When it was known to be the newest; for a file, when it was last written.
    pub(crate) fn as_of(&self) -> Option<Timestamp> {
        match self {
            Self::File { modified, .. } => *modified,
            Self::Tuf { material, .. } => Some(material.as_of),
        }
    }

    pub(crate) fn source(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Tuf { material, .. } => material.origin.as_str(),
        }
    }

    fn source_in_words(&self) -> &'static str {
        match self {
            Self::File { .. } => "a file",
            Self::Tuf { material, .. } => match material.origin {
                TrustOrigin::Embedded => "this version of the program",
                TrustOrigin::Cache => "the cache",
                _ => "its TUF repository",
            },
        }
    }

    fn check_age(&self, context: &Context) -> Result<()> {
        let (Some(limit), now) = (context.global.max_root_age, context.clock().now()) else { return Ok(()) };
        let age = self.as_of().map(|as_of| now.duration_since(as_of));
        if age.is_some_and(|age| (-CLOCK_TOLERANCE..=limit).contains(&age)) {
            return Ok(());
        }
        if let Some(ahead) = age.filter(|age| age.is_negative()) {
            return Err(Error::new(Code::TrustRootStale, "the age of the trust material cannot be told")
                .expected(format!("at most {}", words(limit)))
                .found(format!("a time that is {} ahead", words(ahead.abs())))
                .hint("check the clock of this machine; the age of a file is that of its last change"));
        }
        let hint = match self {
            Self::File { .. } => {
                "bring a newer file, as `signer trust export` writes it where there is a network"
            }
            Self::Tuf { .. } => {
                "run `signer trust update` with a network, or bring newer material with `signer trust export`"
            }
        };
        Err(Error::new(Code::TrustRootStale, "the trust material is older than --max-root-age allows")
            .expected(format!("at most {}", words(limit)))
            .found(age.map_or("of unknown age".into(), words))
            .hint(hint))
    }

    /// What a person should know: that an update failed, always; how old things are, with `-v`.
    fn tell(&self, context: &Context) {
        let now = context.clock().now();
        let age = self.as_of().map_or("of unknown age".into(), |as_of| age(as_of, now));
        if let Self::Tuf { material, store } = self {
            if let Some(error) = &material.not_updated {
                // Unreachable is everyday; an answer that is not acceptable is not.
                let rank = if error.code() == Code::TrustUpdateRejected { "warning" } else { "note" };
                context.output.note(&format!(
                    "{rank}: trust material could not be updated from {}: {error}",
                    store.repository().url()
                ));
                if let Some(hint) = error.hint_text() {
                    context.output.note(&format!("  hint: {hint}"));
                }
                context
                    .output
                    .note(&format!("  going on with that from {}, of {age}", self.source_in_words()));
            }
            if let Some(error) = &material.not_cached {
                context.verbose(|| format!("trust material is not kept for the next run: {error}"));
            }
        }
        context.verbose(|| match self {
            Self::File { path, .. } => format!("trusted root from {}, of {age}", path.display()),
            Self::Tuf { .. } => format!("trusted root from {}, of {age}", self.source_in_words()),
        });
    }

    /// For machines.
    pub(crate) fn summary(&self, now: Timestamp) -> Value {
        let as_of = self.as_of();
        let mut summary = json!({
            "source": self.source(),
            "asOf": as_of.map(|time| time.to_string()),
            "ageSeconds": as_of.map(|time| now.duration_since(time).as_secs().max(0)),
        });
        match self {
            Self::File { path, .. } => summary["file"] = path.display().to_string().into(),
            Self::Tuf { store, material } => {
                summary["repository"] = store.repository().url().as_str().into();
                summary["expired"] = material.expired(now).map(|role| role.name).into();
                summary["notUpdated"] = material
                    .not_updated
                    .as_ref()
                    .map(|e| json!({"code": e.code().as_str(), "message": e.to_string()}))
                    .into();
            }
        }
        summary
    }
}

/// Updates now, whatever is there.
pub(crate) fn update(context: &Context) -> Result<(TrustStore, TrustUpdate)> {
    let file = context.global.trusted_root.as_ref().or(context.global.trust_config.as_ref());
    if let Some(path) = file {
        return Err(Error::new(
            Code::InvalidArgument,
            "the trust material is a file, which only you can update",
        )
        .found(path.display())
        .hint("leave --trusted-root and --trust-config out, and their variables unset"));
    }
    let (store, http, now) = (store(context)?, context.http()?, context.clock().now());
    let update = wait_for(async || store.update(&http, now).await)?;
    Ok((store, update))
}

/// The repository that the options name, and its cache.
fn store(context: &Context) -> Result<TrustStore> {
    let global = &context.global;
    let repository = match (&global.tuf_url, &global.tuf_root) {
        (Some(url), Some(path)) => TufRepository::new(url, &read_file(path, MAX_TRUST_FILE)?)
            .map_err(|e| e.context(format!("--tuf-url {url} with --tuf-root {}", path.display())))?,
        (Some(url), None) => TufRepository::of(context.instance())?.mirrored_at(url)?,
        (None, None) => TufRepository::of(context.instance())?,
        (None, Some(_)) => {
            return Err(Error::new(Code::InvalidArgument, "--tuf-root belongs to a repository")
                .expected("--tuf-url beside it"));
        }
    };
    let folder = global.cache_dir.clone().or_else(|| default_cache(|name| std::env::var_os(name)));
    if folder.is_none() {
        context.verbose(|| "no cache folder: neither HOME nor XDG_CACHE_HOME is set".into());
    }
    Ok(TrustStore::new(repository, folder.map(|folder| TrustCache::new(folder.join("tuf")))))
}

/// `signer` in the user's cache folder. A relative path is no folder of the user's but one of wherever
/// this runs (XDG Base Directory Specification), and a repository could bring its own.
fn default_cache(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME")
        .or_else(|| folder("LOCALAPPDATA").filter(|_| cfg!(windows)))
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("signer"))
}

/// Runs `work` on a thread with a runtime of its own: what asks may be inside one, or have none.
fn wait_for<T: Send>(work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::new(Code::Internal, "could not start the runtime").caused_by(e))?
            .block_on(work())
    };
    std::thread::scope(|scope| scope.spawn(runtime).join())
        .unwrap_or_else(|_| Err(Error::new(Code::Internal, "the update of the trust material ended early")))
}

/// A time and how long ago that is.
pub(crate) fn age(as_of: Timestamp, now: Timestamp) -> String {
    format!("{} ({} old)", as_of.strftime("%Y-%m-%d"), words(now.duration_since(as_of)))
}

/// A duration in its largest unit.
pub(crate) fn words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_in_the_users_folder_or_nowhere() {
        let cache = |variables: &[(&str, &str)]| {
            default_cache(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
        };
        let folder = |path: &str| Some(PathBuf::from(path));
        if cfg!(unix) {
            assert_eq!(cache(&[("HOME", "/h")]), folder("/h/.cache/signer"));
            assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), folder("/x/signer"));
            assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "x")]), folder("/h/.cache/signer"));
        }
        for nowhere in [&[][..], &[("HOME", "")], &[("HOME", "here")], &[("XDG_CACHE_HOME", ".")]] {
            assert_eq!(cache(nowhere), None, "{nowhere:?}");
        }
    }

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        let table = [
            (0, "0 seconds"),
            (61, "1 minute"),
            (7_200, "2 hours"),
            (86_400 * 3, "3 days"),
            (-5, "0 seconds"),
        ];
        for (seconds, text) in table {
            assert_eq!(words(SignedDuration::from_secs(seconds)), text);
        }
    }
}
