//! URLs in the place of paths: `GET http://www.example.com/a HTTP/1.1` (RFC 9112, absolute form), as
//! proxies are asked, and as load balancers write all requests.

use std::borrow::Cow;

use super::client::{is_client, without_port};
use super::request::{Request, host_of_url, host_site, present};

/// What becomes of such URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Urls {
    /// Their paths are read. Their hosts are what clients made up, where few requests have one.
    #[default]
    Paths,
    /// Their hosts, too, are read: they are sites where nothing else is.
    Sites,
    /// They stay as they are in the log of a forward proxy, whose clients ask for sites of others.
    Whole,
}

impl Urls {
    /// Takes the URL of a request apart, if it has one.
    #[inline]
    pub(super) fn apply(self, request: &mut Request<'_>) {
        if self != Self::Whole && !request.path.starts_with('/') {
            self.take(request);
        }
    }

    #[cold]
    fn take(self, request: &mut Request<'_>) {
        // Without a method, what is in the place of the path is odd, and stays.
        if self == Self::Paths && request.method.is_empty() {
            return;
        }
        let Some((host, path)) = host_and_path(&request.path) else {
            return;
        };
        if self == Self::Sites && request.site.is_none() && present(host).is_some() {
            request.site = host_site(Cow::Owned(host.to_owned()));
        }
        request.path = Cow::Owned(path.to_owned());
    }

    /// Tells it from the request lines of a log, each as method and target.
    pub(super) fn told<'a>(requests: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        /// Fewer lines say nothing of whose hosts they have.
        const LINES_TO_COUNT: usize = 20;
        let (mut lines, mut tunnels) = (0, 0);
        let mut hosts = Vec::new();
        for (method, target) in requests {
            lines += 1;
            tunnels += usize::from(method == "CONNECT");
            hosts.extend(host_and_path(target).map(|(host, _)| host));
        }
        let urls = hosts.len();
        if lines == 0 || (urls + tunnels) * 2 < lines {
            return Self::Paths;
        }
        hosts.sort_unstable();
        hosts.dedup();
        // A site is asked for tunnels by nobody but scanners.
        let are_of_others = hosts.len() * 2 > urls || tunnels * 10 >= lines;
        if are_of_others && lines >= LINES_TO_COUNT {
            Self::Whole
        } else {
            Self::Sites
        }
    }
}

/// The path of a URL; other targets as they are.
pub(super) fn path_of(target: &str) -> &str {
    match host_and_path(target) {
        Some((_, path)) if !target.starts_with('/') => path,
        _ => target,
    }
}

fn host_and_path(target: &str) -> Option<(&str, &str)> {
    host_of_url(target).filter(|(host, _)| is_client(without_port(host)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::request::split_request;

    fn read(urls: Urls, line: &str, site: Option<&'static str>) -> String {
        let (method, path, query, _) = split_request(line);
        let mut request = Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            site: site.map(Cow::Borrowed),
            ..Request::default()
        };
        urls.apply(&mut request);
        let site = request.site.as_deref().unwrap_or("NULL");
        format!("{site} {}?{}", request.path, request.query)
    }

    #[test]
    fn urls_are_taken_apart() {
        for (line, paths, sites) in [
            (
                "GET http://Shop.example:80/a?b HTTP/1.1",
                "NULL /a?b",
                "shop.example /a?b",
            ),
            (
                "GET http://shop.example HTTP/1.1",
                "NULL /?",
                "shop.example /?",
            ),
            ("GET https://u:p@[::1]:443/a", "NULL /a?", "[::1] /a?"),
            (
                "GET /a?b=http://c HTTP/1.1",
                "NULL /a?b=http://c",
                "NULL /a?b=http://c",
            ),
            ("GET //c://d HTTP/1.1", "NULL //c://d?", "NULL //c://d?"),
            (
                "CONNECT shop.example:443 HTTP/1.1",
                "NULL shop.example:443?",
                "NULL shop.example:443?",
            ),
            ("OPTIONS * HTTP/1.1", "NULL *?", "NULL *?"),
            (
                "GET http://a b/c HTTP/1.1",
                "NULL http://a b/c?",
                "NULL http://a b/c?",
            ),
            (
                "- http://shop.example:80- ",
                "NULL - http://shop.example:80- ?",
                "NULL - http://shop.example:80- ?",
            ),
        ] {
            assert_eq!(read(Urls::Paths, line, None), paths, "{line}");
            assert_eq!(read(Urls::Sites, line, None), sites, "{line}");
        }
        let url = "GET http://shop.example/a HTTP/1.1";
        assert_eq!(read(Urls::Sites, url, Some("vhost")), "vhost /a?");
        assert_eq!(read(Urls::Whole, url, None), "NULL http://shop.example/a?");
        assert_eq!(
            read(Urls::Paths, "http://shop.example/a", None),
            "NULL http://shop.example/a?"
        );
        assert_eq!(
            [path_of("http://a/b"), path_of("/a://b"), path_of("*")],
            ["/b", "/a://b", "*"]
        );
    }

    #[test]
    fn most_lines_say_whose_urls_they_are() {
        let url = |host: usize| ("GET", format!("http://h{host}.example/a"));
        let plain = |_: usize| ("GET", "/a".to_owned());
        let tunnel = |_: usize| ("CONNECT", "h.example:443".to_owned());
        let told = |lines: Vec<(&str, String)>| {
            Urls::told(lines.iter().map(|(method, target)| (*method, &**target)))
        };
        for (lines, expected) in [
            (Vec::new(), Urls::Paths),
            (vec![url(1)], Urls::Sites),
            ((0..3).map(plain).chain([url(1)]).collect(), Urls::Paths),
            ((0..40).map(|n| url(n % 9)).collect(), Urls::Sites),
            // Nearly every line has another host.
            ((0..40).map(url).collect(), Urls::Whole),
            // A tenth are tunnels.
            (
                (0..18)
                    .map(|_| url(1))
                    .chain([tunnel(0), tunnel(0)])
                    .collect(),
                Urls::Whole,
            ),
            ((0..20).map(tunnel).collect(), Urls::Whole),
            (
                (0..19).map(|_| url(1)).chain([tunnel(0)]).collect(),
                Urls::Sites,
            ),
            // Too few say nothing.
            (vec![url(1), tunnel(0)], Urls::Sites),
        ] {
            assert_eq!(told(lines.clone()), expected, "{lines:?}");
        }
    }
}
