//! `signer trust`: what is trusted, newer of it, and all of it to take along.

use std::path::Path;

use serde_json::{Value, json};
use sign_core::{
    CLIENT_TRUST_CONFIG_V0_1, Code, Error, Result, ServiceKind, SigningConfig, TrustConfig, TrustMaterial,
    TufRole,
};

use super::Items;
use crate::context::{Context, MAX_TRUST_FILE};
use crate::files::{Destination, read_file};
use crate::output::Item;
use crate::progress::Progress;
use crate::trust::{self, Trust, age, words};

/// Where things come from, how old they are and what is in them.
pub(crate) fn show(context: &Context) -> Items {
    let (trust, now) = (Trust::find_offline(context)?, context.clock().now());
    let as_of = trust.as_of().map_or("of unknown age".into(), |as_of| age(as_of, now));
    let mut item = match &trust {
        Trust::File { path, .. } => Item::new(path.display().to_string())
            .line(format!("file        {}", path.display()))
            .line(format!("written     {as_of}")),
        Trust::Tuf { store, material } => {
            let url = store.repository().url();
            let folder = store.folder().map(|folder| folder.display().to_string());
            let fresh = material.is_fresh(now);
            let next = if fresh { "fresh" } else { "the next command that needs it tries to update it" };
            Item::new(url.as_str())
                .line(format!("repository  {url}"))
                .line(format!("source      {}, of {as_of}; {next}", trust.source()))
                .line(format!("cache       {}", folder.as_deref().unwrap_or("none")))
                .field("cache", folder)
                .field("fresh", fresh)
        }
    };
    if let Value::Object(summary) = trust.summary(now) {
        item.fields.extend(summary);
    }
    if let Trust::Tuf { material, .. } = &trust {
        for role in &material.roles {
            let left = role.expires.duration_since(now);
            let left = if left.is_negative() { "EXPIRED".into() } else { format!("in {}", words(left)) };
            let expires = role.expires.strftime("%Y-%m-%d");
            item =
                item.line(format!("{:<11} version {}, expires {expires} ({left})", role.name, role.version));
        }
        item = item.field("roles", roles(material));
    }
    item = services(item, &trust);
    let signing = match context.signing_config_file()? {
        Some(config) => Some(config),
        None => trust.signing_config().ok(),
    };
    Ok(vec![signing_services(item, signing.as_ref(), context)])
}

/// Asks the repository now.
pub(crate) fn update(context: &Context) -> Items {
    let (store, update) = {
        let _progress = Progress::start(context.output, "updating trust material");
        trust::update(context)?
    };
    let after = &update.after;
    let before = |name: &str| {
        update.before.iter().flat_map(|before| &before.roles).find(|r| r.name == name).map(|r| r.version)
    };
    let changed =
        update.before.as_ref().is_none_or(|before| before.trusted_root_json != after.trusted_root_json);
    let mut item = Item::new(store.repository().url().as_str())
        .line(format!("updated from {}", store.repository().url()))
        .field("before", update.before.as_ref().map(roles))
        .field("roles", roles(after))
        .field("trustedRootChanged", changed);
    for TufRole { name, version, expires, .. } in &after.roles {
        let versions = match before(name) {
            Some(old) if old != *version => format!("version {old} → {version}"),
            _ => format!("version {version}"),
        };
        item = item.line(format!("  {name:<10} {versions}, expires {}", expires.strftime("%Y-%m-%d")));
    }
    item = item.line(match (&update.before, changed) {
        (None, _) => "  the trusted root is new here",
        (_, true) => "  the trusted root has changed",
        (_, false) => "  the trusted root is the same",
    });
    let cached = after.not_cached.is_none() && store.folder().is_some();
    item = item.field("cached", cached);
    if !cached {
        let why = after.not_cached.as_ref().map_or("there is no cache folder".into(), ToString::to_string);
        context.output.note(&format!("note: not kept for the next run: {why}"));
    }
    Ok(vec![item])
}

/// Files for a machine without a network.
pub(crate) fn export(context: &Context, folder: &Path) -> Items {
    let trust = context.trust()?;
    let mut files: Vec<(&str, Vec<u8>, &str)> = Vec::new();
    let signing = match trust {
        Trust::Tuf { material, .. } => {
            files.push((
                "trusted_root.json",
                material.trusted_root_json.clone(),
                "--trusted-root, to verify",
            ));
            files.push(("tuf_root.json", material.tuf_root_json.clone(), "--tuf-root, to begin with"));
            material.signing_config_json.clone()
        }
        Trust::File { path, .. } => {
            let (root, signing) = documents(context, path)?;
            files.push(("trusted_root.json", root, "--trusted-root, to verify"));
            signing
        }
    };
    if let (Some(signing), [(_, root, _), ..]) = (signing, files.as_slice()) {
        let both = trust_config(root, &signing)?;
        files.push(("signing_config.v0.2.json", signing, "--signing-config, to sign"));
        files.push(("trust_config.json", both, "--trust-config, for both"));
    }
    std::fs::create_dir_all(folder).map_err(|e| {
        Error::new(Code::FileUnreadable, format!("cannot make {}", folder.display()))
            .found(e.to_string())
            .caused_by(e)
    })?;
    let as_of = trust.as_of().map_or("of unknown age".into(), |as_of| age(as_of, context.clock().now()));
    let mut item =
        Item::new(folder.display().to_string()).line(format!("exported to {}, of {as_of}", folder.display()));
    for (name, content, option) in &files {
        Destination::check(&folder.join(name), content.len() as u64, &[])?.write(content)?;
        item = item.line(format!("  {name:<25} for {option}"));
    }
    let names: Value = files.iter().map(|(name, ..)| Value::from(*name)).collect();
    Ok(vec![item.field("files", names)])
}

/// Trusted root and signing config of the files that were given.
fn documents(context: &Context, path: &Path) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let read = |path: &Path| read_file(path, MAX_TRUST_FILE);
    let mut signing = context.global.signing_config.as_deref().map(read).transpose()?;
    let mut root = read(path)?;
    if let Some(config) = &context.global.trust_config {
        // Known to be one: it was read before.
        let config: Value = serde_json::from_slice(&read(config)?)
            .map_err(|e| Error::new(Code::TrustConfigInvalid, "not a client trust config").caused_by(e))?;
        let part =
            |name: &str, other: &str| config.get(name).or_else(|| config.get(other)).map(Value::to_string);
        if context.global.trusted_root.is_none() {
            root = part("trustedRoot", "trusted_root").unwrap_or_default().into();
        }
        signing = signing.or_else(|| part("signingConfig", "signing_config").map(Into::into));
    }
    Ok((root, signing))
}

/// One document of both, each as it was published.
fn trust_config(root: &[u8], signing: &[u8]) -> Result<Vec<u8>> {
    let (root, signing) = (String::from_utf8_lossy(root), String::from_utf8_lossy(signing));
    let json = format!(
        "{{\"mediaType\":\"{CLIENT_TRUST_CONFIG_V0_1}\",\"trustedRoot\":{},\"signingConfig\":{}}}\n",
        root.trim(),
        signing.trim()
    );
    TrustConfig::from_json(json.as_bytes())?;
    Ok(json.into_bytes())
}

fn roles(material: &TrustMaterial) -> Value {
    let roles = material.roles.iter();
    roles.map(|r| json!({"name": r.name, "version": r.version, "expires": r.expires.to_string()})).collect()
}

fn services(mut item: Item, trust: &Trust) -> Item {
    let all = trust.trusted_root().services();
    let kinds = [
        (ServiceKind::CertificateAuthority, "certificate authorities"),
        (ServiceKind::CtLog, "certificate transparency logs"),
        (ServiceKind::TransparencyLog, "transparency logs"),
        (ServiceKind::TimestampAuthority, "timestamp authorities"),
    ];
    for (kind, title) in kinds {
        item = item.line(format!("{title}:"));
        let before = item.lines.len();
        for service in all.iter().filter(|service| service.kind == kind) {
            let end = service.end.map_or(String::new(), |end| format!(" to {}", end.strftime("%Y-%m-%d")));
            let start = service.start.strftime("%Y-%m-%d");
            item =
                item.line(format!("  {} from {start}{end}", service.url)).line(format!("    {}", service.id));
        }
        if item.lines.len() == before {
            item = item.line("  none");
        }
    }
    let list: Value = all
        .iter()
        .map(|s| {
            json!({
                "kind": s.kind.as_str(), "url": s.url, "id": s.id,
                "start": s.start.to_string(), "end": s.end.map(|end| end.to_string()),
            })
        })
        .collect();
    item.field("services", list)
}

fn signing_services(mut item: Item, config: Option<&SigningConfig>, context: &Context) -> Item {
    let Some(config) = config else {
        return item
            .line("signs with: nothing, this is for verification only")
            .field("signsWith", Value::Null);
    };
    let now = context.clock().now();
    let mut services: Vec<(&str, String, u32)> = Vec::new();
    services.extend(config.fulcio(now).iter().map(|url| ("fulcio", url.to_string(), 1)));
    services
        .extend(config.rekor(now).iter().flatten().map(|log| ("rekor", log.url.to_string(), log.version)));
    services.extend(config.tsa(now).iter().flatten().map(|url| ("tsa", url.to_string(), 1)));
    item = item.line("signs with:");
    for (kind, url, version) in &services {
        item = item.line(format!("  {kind:<6} {url} (version {version})"));
    }
    let list: Value = services
        .iter()
        .map(|(kind, url, version)| json!({"kind": kind, "url": url, "version": version}))
        .collect();
    item.field("signsWith", list)
}
