//! What the functions read besides their arguments.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use anomalog_engine::detector::hex_sha256;
use thiserror::Error;

use super::calls::calls;
use super::path_patterns::{PathPatternError, PathPatterns};
use super::places::{PlaceKind, Places, PlacesError};
use super::user_agents::{PatternError, UserAgents};

/// To be raised whenever the same path gives another group: windows may be keyed by it.
const PATH_GROUPS: &str = "1";

/// Files of the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrichmentFiles {
    /// Patterns of user agents that go before those that are shipped.
    pub user_agents: Option<PathBuf>,
    /// Patterns of paths, a line each.
    pub path_groups: Option<PathBuf>,
    /// Countries of addresses, in MaxMind's format.
    pub countries: Option<PathBuf>,
    /// Autonomous systems of addresses, in MaxMind's format.
    pub asns: Option<PathBuf>,
}

/// Why a function cannot answer.
#[derive(Debug, Error)]
pub enum EnrichmentError {
    /// No file was named.
    #[error("`{function}` needs a file in MaxMind's format, and none was named")]
    NoFile {
        /// The function.
        function: &'static str,
        /// The option that names one.
        option: &'static str,
        /// The setting of a job that does.
        setting: &'static str,
    },
    /// Pseudonyms are taken for addresses.
    #[error("`{function}` needs addresses, and the clients of this warehouse are pseudonyms")]
    Pseudonyms {
        /// The function.
        function: &'static str,
    },
    /// A file of places cannot be used.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// A list cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A list of user agents has a line that is no pattern.
    #[error("`{}`, {source}", .path.display())]
    Pattern {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        source: PatternError,
    },
    /// A list of patterns of paths has a line that is none.
    #[error("`{}`, {source}", .path.display())]
    PathPattern {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        source: PathPatternError,
    },
}

impl EnrichmentError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::NoFile {
                option, setting, ..
            } => format!(
                "name one with `{option} FILE`, or in the job with `[enrichment] {setting} = \"FILE\"`; \
                 MaxMind (GeoLite2), DB-IP and IPinfo offer such files"
            )
            .into(),
            Self::Pseudonyms { .. } => {
                "pseudonyms keep networks, which `client_network(client_ip)` tells".into()
            }
            Self::Places(PlacesError::Damaged { .. }) => {
                "is it still packed (.tar.gz), or only partly copied?".into()
            }
            Self::Places(PlacesError::NotThere { .. }) => {
                "countries and autonomous systems are often in two files: name the other one".into()
            }
            Self::Pattern { .. } => "a line is a class and a pattern, such as `tool acme-monitor`".into(),
            Self::PathPattern { .. } => {
                "a line is a path with placeholders, as `path_patterns(path)` learns them".into()
            }
            Self::Places(PlacesError::Read { .. }) | Self::Read { .. } => return None,
        })
    }
}

/// What a list of the user's says, and the digest of its file.
#[derive(Debug)]
struct Listed<T> {
    list: T,
    digest: String,
}

type Opened<T> = OnceLock<Result<T, Arc<EnrichmentError>>>;

/// Files of the user's, each opened when it is first needed.
#[derive(Debug, Default)]
pub struct Enrichment {
    files: EnrichmentFiles,
    are_pseudonyms: bool,
    user_agents: Opened<Listed<UserAgents>>,
    path_patterns: Opened<Listed<PathPatterns>>,
    countries: Opened<Places>,
    asns: Opened<Places>,
}

/// The shipped patterns, which most sessions never need.
static SHIPPED: LazyLock<Result<UserAgents, PatternError>> =
    LazyLock::new(|| UserAgents::new(None));

impl Enrichment {
    /// Those of some files, none of which is opened yet.
    #[must_use]
    pub fn new(files: EnrichmentFiles) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// The same for clients that are pseudonyms, of which nobody can tell where they are.
    #[must_use]
    pub fn of_pseudonyms(self) -> Self {
        Self {
            are_pseudonyms: true,
            ..self
        }
    }

    /// What tells user agents apart.
    pub(super) fn user_agents(&self) -> Result<&UserAgents, Arc<EnrichmentError>> {
        let Some(path) = &self.files.user_agents else {
            return SHIPPED.as_ref().map_err(|source| {
                Arc::new(EnrichmentError::Pattern {
                    path: PathBuf::from("user_agents.txt"),
                    source: source.clone(),
                })
            });
        };
        let opened = self
            .user_agents
            .get_or_init(|| read_user_agents(path).map_err(Arc::new));
        let agents = opened.as_ref().map_err(Arc::clone)?;
        Ok(&agents.list)
    }

    /// Opens the list of the user's, if one was named. The shipped one is made ready with the first user
    /// agent: that takes longer than to plan a query that may not ask for any.
    pub(super) fn open_user_agents(&self) -> Result<(), Arc<EnrichmentError>> {
        match self.files.user_agents {
            Some(_) => self.user_agents().map(drop),
            None => Ok(()),
        }
    }

    /// The patterns of paths, if a file of them was named.
    pub(super) fn path_patterns(&self) -> Result<Option<&PathPatterns>, Arc<EnrichmentError>> {
        let Some(path) = &self.files.path_groups else {
            return Ok(None);
        };
        let opened = self
            .path_patterns
            .get_or_init(|| read_path_patterns(path).map_err(Arc::new));
        let patterns = opened.as_ref().map_err(Arc::clone)?;
        Ok(Some(&patterns.list))
    }

    /// The file of places that is asked for.
    pub(super) fn places(&self, place: PlaceKind) -> Result<&Places, Arc<EnrichmentError>> {
        let (opened, path) = match place {
            PlaceKind::Country => (&self.countries, &self.files.countries),
            PlaceKind::Asn => (&self.asns, &self.files.asns),
        };
        let opened = opened.get_or_init(|| match path {
            _ if self.are_pseudonyms => Err(Arc::new(EnrichmentError::Pseudonyms {
                function: function_of(place),
            })),
            Some(path) => Places::open(path, place).map_err(|error| Arc::new(error.into())),
            None => Err(Arc::new(no_file(place))),
        });
        opened.as_ref().map_err(Arc::clone)
    }

    /// What the value of an expression depends on besides its arguments: the versions of the functions
    /// that it calls, and the digests of the files that these read. Nothing if it calls none.
    ///
    /// # Errors
    /// When such a file cannot be read.
    pub fn identity_of(&self, expression: &str) -> Result<Vec<String>, Arc<EnrichmentError>> {
        // What is no SQL is refused where it is planned.
        let calls = calls(expression).unwrap_or_default();
        let mut identity = Vec::new();
        if calls.contains("user_agent_class") {
            self.user_agents()?;
            identity.push(hex_sha256(UserAgents::shipped().as_bytes()));
            if let Some(Ok(listed)) = self.user_agents.get() {
                identity.push(listed.digest.clone());
            }
        }
        if calls.contains("path_group") {
            self.path_patterns()?;
            identity.push(PATH_GROUPS.to_owned());
            if let Some(Ok(listed)) = self.path_patterns.get() {
                identity.push(listed.digest.clone());
            }
        }
        for place in [PlaceKind::Country, PlaceKind::Asn] {
            if calls.contains(function_of(place)) {
                identity.push(self.places(place)?.digest());
            }
        }
        Ok(identity)
    }
}

fn read_list(path: &Path) -> Result<(String, String), EnrichmentError> {
    let text = std::fs::read_to_string(path).map_err(|source| EnrichmentError::Read {
        path: path.to_owned(),
        source,
    })?;
    let digest = hex_sha256(text.as_bytes());
    Ok((text, digest))
}

fn read_user_agents(path: &Path) -> Result<Listed<UserAgents>, EnrichmentError> {
    let (text, digest) = read_list(path)?;
    let list = UserAgents::new(Some(&text)).map_err(|source| EnrichmentError::Pattern {
        path: path.to_owned(),
        source,
    })?;
    Ok(Listed { list, digest })
}

fn read_path_patterns(path: &Path) -> Result<Listed<PathPatterns>, EnrichmentError> {
    let (text, digest) = read_list(path)?;
    let list = text
        .parse()
        .map_err(|source| EnrichmentError::PathPattern {
            path: path.to_owned(),
            source,
        })?;
    Ok(Listed { list, digest })
}

/// The function that tells a place.
const fn function_of(place: PlaceKind) -> &'static str {
    match place {
        PlaceKind::Country => "country",
        PlaceKind::Asn => "asn",
    }
}

const fn no_file(place: PlaceKind) -> EnrichmentError {
    match place {
        PlaceKind::Country => EnrichmentError::NoFile {
            function: function_of(place),
            option: "--country-database",
            setting: "country_database",
        },
        PlaceKind::Asn => EnrichmentError::NoFile {
            function: function_of(place),
            option: "--asn-database",
            setting: "asn_database",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_depends_on_what_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("agents.txt");
        std::fs::write(&list, "tool acme\n").unwrap();
        let shipped = Enrichment::default();
        let theirs = Enrichment::new(EnrichmentFiles {
            user_agents: Some(list),
            ..EnrichmentFiles::default()
        });
        let identity = |of: &Enrichment, text: &str| of.identity_of(text).unwrap();
        assert!(identity(&shipped, "site || country_code").is_empty());
        assert_eq!(identity(&shipped, "path_group(path)"), [PATH_GROUPS]);
        let class = "USER_AGENT_CLASS(user_agent)";
        assert_ne!(identity(&shipped, class), identity(&theirs, class));
        // A file that the expression does not read has no part in it.
        for same in ["path_group(path)", "'user_agent_class(x)'", "country"] {
            assert_eq!(identity(&shipped, same), identity(&theirs, same), "{same}");
        }
        assert!(shipped.identity_of("country(client_ip)").is_err());
    }

    #[test]
    fn faults_name_the_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("agents.txt");
        std::fs::write(&list, "# mine\nbot acme\n").unwrap();
        let files = |path: &Path| EnrichmentFiles {
            user_agents: Some(path.to_owned()),
            countries: Some(path.to_owned()),
            ..EnrichmentFiles::default()
        };
        let told = |error: &EnrichmentError| {
            let hint = error
                .hint()
                .map_or_else(String::new, |hint| format!("\nhint: {hint}"));
            let text = format!("{error}{hint}");
            text.replace(&folder.path().display().to_string(), "FOLDER")
        };
        let enrichment = Enrichment::new(files(&list));
        insta::assert_snapshot!(told(&enrichment.user_agents().unwrap_err()), @"
        `FOLDER/agents.txt`, line 2: expected a class (browser, app, crawler, ai_crawler, tool, scanner, empty, other) and a pattern, found `bot acme`
        hint: a line is a class and a pattern, such as `tool acme-monitor`
        ");
        insta::assert_snapshot!(told(&enrichment.places(PlaceKind::Country).unwrap_err()), @"
        `FOLDER/agents.txt` is no file in MaxMind's format (.mmdb), or damaged: invalid database: could not find MaxMind DB metadata in file
        hint: is it still packed (.tar.gz), or only partly copied?
        ");
        insta::assert_snapshot!(told(&enrichment.places(PlaceKind::Asn).unwrap_err()), @r#"
        `asn` needs a file in MaxMind's format, and none was named
        hint: name one with `--asn-database FILE`, or in the job with `[enrichment] asn_database = "FILE"`; MaxMind (GeoLite2), DB-IP and IPinfo offer such files
        "#);
        let pseudonyms = Enrichment::new(files(&list)).of_pseudonyms();
        insta::assert_snapshot!(told(&pseudonyms.places(PlaceKind::Country).unwrap_err()), @"
        `country` needs addresses, and the clients of this warehouse are pseudonyms
        hint: pseudonyms keep networks, which `client_network(client_ip)` tells
        ");
        let missing = Enrichment::new(files(&folder.path().join("none")));
        insta::assert_snapshot!(told(&missing.user_agents().unwrap_err()), @"cannot read `FOLDER/none`: No such file or directory (os error 2)");
        insta::assert_snapshot!(told(&missing.places(PlaceKind::Country).unwrap_err()), @"cannot read `FOLDER/none`: No such file or directory (os error 2)");
    }
}
