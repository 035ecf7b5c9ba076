//! What the caller asked for is asked of every bundle: an option that is ignored is an open door.

use sign_core::{
    Claim, Code, Identity, IdentityPolicy, IssuerRule, KeyMaterial, Pattern, PublicKey, Requirement,
};

use super::kit::{Case, EMAIL, Key, V1, V2, kit, requirement};

/// A bundle signed by the sandbox's workflow, which carries every claim.
fn workflow() -> Case {
    let kit = kit();
    let key = Key::new();
    let identity = sign_sandbox::Identity::workflow();
    let tbs = kit.own.precertificate(&identity, key.spki(), kit.now).unwrap();
    let sct = kit.own.sct(&tbs, kit.now).unwrap();
    let certificate = kit.own.certify(tbs, &[sct]).unwrap();
    let mut case = Case::with(&kit.own, V2, None, key, KeyMaterial::Certificate(certificate));
    case.requirement = claims(Vec::new());
    case
}

const WORKFLOW: &str = "https://github.com/octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main";

fn claims(claims: Vec<(Claim, Pattern)>) -> Requirement {
    let identity = Identity {
        san: Some(Pattern::exact(WORKFLOW)),
        issuer: IssuerRule::Matches(Pattern::exact(&kit().workflow_issuer)),
        claims,
    };
    Requirement::Identities(IdentityPolicy::new(vec![identity]).unwrap())
}

#[test]
fn cve_2026_48815_every_claim_that_is_asked_for() {
    let mut case = workflow();
    let certificate = sign_core::Certificate::parse(case.bundle.leaf_certificate().unwrap()).unwrap();
    let mut tried = 0;
    for claim in Claim::ALL {
        let Some(value) = certificate.claim(*claim) else {
            case.refuses(Code::ClaimMismatch, |case| {
                case.requirement = claims(vec![(*claim, Pattern::exact(""))]);
            });
            continue;
        };
        case.requirement = claims(vec![(*claim, Pattern::exact(value))]);
        let others = [format!("{value}x"), value.to_uppercase() + " ", String::new()];
        for other in others.into_iter().filter(|other| other != value) {
            case.refuses(Code::ClaimMismatch, |case| {
                case.requirement = claims(vec![(*claim, Pattern::exact(other))]);
            });
        }
        tried += 1;
    }
    // All but the digest that GitHub does not send.
    assert!(tried >= 20, "{tried}");
}

#[test]
fn cve_2026_48815_each_of_several_claims() {
    workflow().refuses(Code::ClaimMismatch, |case| {
        case.requirement = claims(vec![
            (Claim::SourceRepositoryRef, Pattern::exact("refs/heads/main")),
            (Claim::BuildTrigger, Pattern::exact("schedule")),
        ]);
    });
}

#[test]
fn cve_2026_48815_the_name() {
    for case in Case::all() {
        for other in ["eve@example.com", "dev@example.co", "DEV@example.com", "dev@example.com ", ""] {
            case.refuses(Code::IdentityMismatch, |case| {
                case.requirement = requirement(Pattern::exact(other), Pattern::exact(&kit().issuer));
            });
        }
    }
}

#[test]
fn cve_2022_36056_the_issuer() {
    for case in Case::all() {
        for other in ["https://issuer.example", &kit().workflow_issuer, ""] {
            case.refuses(Code::IssuerMismatch, |case| {
                case.requirement = requirement(Pattern::exact(EMAIL), Pattern::exact(other));
            });
        }
    }
}

#[test]
fn cve_2022_36056_no_issuer_is_asked_for_by_name_only() {
    Case::message(V2).refuses(Code::IssuerMismatch, |case| {
        let san = Some(Pattern::exact(EMAIL));
        let nobody = Identity { san, issuer: IssuerRule::None, claims: Vec::new() };
        case.requirement = Requirement::Identities(IdentityPolicy::new(vec![nobody]).unwrap());
    });
}

#[test]
fn cve_2025_29778_an_expression_for_the_name() {
    let regex = |text: &str| Pattern::regex(text).unwrap();
    for mut case in Case::all() {
        case.requirement =
            requirement(regex(r"dev@example\.com|ops@example\.com"), Pattern::exact(&kit().issuer));
        for other in [r"ops@example\.com", r"dev@example\.co", r"ev@example\.com", r"dev@example\.comm?m"] {
            case.refuses(Code::IdentityMismatch, |case| {
                case.requirement = requirement(regex(other), Pattern::exact(&kit().issuer));
            });
        }
    }
}

#[test]
fn cve_2025_29778_an_expression_for_the_issuer() {
    let regex = |text: &str| Pattern::regex(text).unwrap();
    for mut case in Case::all() {
        case.requirement = requirement(Pattern::exact(EMAIL), regex(r"http://127\.0\.0\.1:\d+"));
        for other in [r"http://127\.0\.0\.1", r"https://127\.0\.0\.1:\d+", r"http://127\.0\.0\.1:\d+/gha"] {
            case.refuses(Code::IssuerMismatch, |case| {
                case.requirement = requirement(Pattern::exact(EMAIL), regex(other));
            });
        }
    }
}

#[test]
fn cve_2025_29778_names_and_issuers_are_pairs() {
    let identity = |san: &str, issuer: &str| Identity {
        san: Some(Pattern::exact(san)),
        issuer: IssuerRule::Matches(Pattern::exact(issuer)),
        claims: Vec::new(),
    };
    let accept = |identities| Requirement::Identities(IdentityPolicy::new(identities).unwrap());
    for mut case in Case::all() {
        let own = identity(EMAIL, &kit().issuer);
        case.requirement = accept(vec![identity("ops@example.com", "https://issuer.example"), own]);
        case.refuses(Code::IssuerMismatch, |case| {
            case.requirement = accept(vec![
                identity(EMAIL, "https://issuer.example"),
                identity("ops@example.com", &kit().issuer),
            ]);
        });
    }
}

#[test]
fn cve_2026_48815_no_identity_is_no_policy() {
    let nobody = Identity {
        san: None,
        issuer: IssuerRule::Matches(Pattern::exact(&kit().issuer)),
        claims: vec![(Claim::BuildTrigger, Pattern::exact("push"))],
    };
    for identities in [Vec::new(), vec![nobody]] {
        assert_eq!(IdentityPolicy::new(identities).unwrap_err().code(), Code::IdentityRequired);
    }
}

#[test]
fn cve_2024_51746_a_key_where_an_identity_is_asked_for() {
    let kit = kit();
    for log in [V1, V2] {
        let key = Key::new();
        let hint = KeyMaterial::PublicKey { hint: "hint".into() };
        let managed = Case::with(&kit.own, log, None, key, hint);
        let keyless = Case::message(log);
        managed.refuses(Code::KeyMaterialMismatch, |case| case.requirement = keyless.requirement.clone());
        keyless.refuses(Code::KeyMaterialMismatch, |case| case.requirement = managed.requirement.clone());
        // Another key than the one asked for: the log says whose it is.
        managed.refuses(Code::LogEntryMismatch, |case| {
            case.requirement = Requirement::Key(PublicKey::from_der(&Key::new().der()).unwrap());
        });
        // The right key, named in the log by a certificate that nobody checked.
        managed.refuses(Code::LogEntryMismatch, |case| {
            let mut disguised = case.clone();
            disguised.bundle.key_material = keyless.bundle.key_material.clone();
            disguised.log(&kit.own, log);
            case.bundle.log_entries = disguised.bundle.log_entries;
        });
    }
}

#[test]
fn cve_2025_29778_a_repository_may_stand_for_the_name() {
    let repository = |uri: &str| Identity {
        san: None,
        issuer: IssuerRule::Matches(Pattern::exact(&kit().workflow_issuer)),
        claims: vec![(Claim::SourceRepositoryUri, Pattern::exact(uri))],
    };
    let accept = |identity| Requirement::Identities(IdentityPolicy::new(vec![identity]).unwrap());
    let mut case = workflow();
    case.requirement = accept(repository("https://github.com/octo-org/octo-repo"));
    case.refuses(Code::ClaimMismatch, |case| {
        case.requirement = accept(repository("https://github.com/octo-org/octo-repo2"));
    });
}

#[test]
fn cve_2022_36056_a_certificate_without_an_issuer() {
    // As GitHub issues them for releases: only who says so accepts them.
    let without = |tbs: &mut x509_cert::TbsCertificate| {
        let issuer = ["1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.8"];
        tbs.extensions.as_mut().unwrap().retain(|e| !issuer.contains(&e.extn_id.to_string().as_str()));
    };
    let mut case = Case::made(&kit().own, V2, None, without);
    let nobody = Identity { san: Some(Pattern::exact(EMAIL)), issuer: IssuerRule::None, claims: Vec::new() };
    case.requirement = Requirement::Identities(IdentityPolicy::new(vec![nobody]).unwrap());
    for issuer in [&kit().issuer, ""] {
        case.refuses(Code::IssuerMismatch, |case| {
            case.requirement = requirement(Pattern::exact(EMAIL), Pattern::exact(issuer));
        });
    }
}

#[test]
fn cve_2025_29778_the_nearest_identity_explains() {
    let identity = |san: &str, issuer: &str| Identity {
        san: Some(Pattern::exact(san)),
        issuer: IssuerRule::Matches(Pattern::exact(issuer)),
        claims: Vec::new(),
    };
    let nobody = || identity("ops@example.com", "https://issuer.example");
    let near = |issuer: &str| identity(EMAIL, issuer);
    let accept = |identities| Requirement::Identities(IdentityPolicy::new(identities).unwrap());
    let case = Case::message(V2);
    for identities in [
        vec![nobody(), near("https://first.example"), near("https://second.example")],
        vec![near("https://first.example"), nobody(), near("https://second.example")],
        vec![near("https://first.example"), near("https://second.example"), nobody()],
    ] {
        // Of two that are as near, the first.
        let told = case.refuses(Code::IssuerMismatch, |case| case.requirement = accept(identities));
        assert!(told.contains("https://first.example"), "{told}");
    }
}
