//! Formats of all dialects, and lines read by them.

use proptest::prelude::*;

use super::*;
use crate::explain::Explain;
use crate::logs::request::{Reject, Request};
use crate::logs::timestamp::ClfReader;

/// 4 March 2024, 10:00:00 UTC.
const MOMENT: i64 = 1_709_546_400_000_000;

fn format(text: &str) -> LineFormat {
    text.parse()
        .unwrap_or_else(|error: FormatError| panic!("{text}: {error}"))
}

fn read<'a>(format: &LineFormat, line: &'a str) -> Result<Request<'a>, Reject> {
    format.read(line, &mut ClfReader::default())
}

/// What is read of a line in a format.
fn columns(text: &str, line: &str) -> String {
    match read(&format(text), line) {
        Ok(request) => format!(
            "{} {} {} {} {:?} {:?}",
            request.site.as_deref().unwrap_or("NULL"),
            &*request.client_ip,
            &*request.path,
            request.status,
            request.bytes,
            request.latency_ms
        ),
        Err(reason) => reason.reason().to_owned(),
    }
}

const COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

/// Fields of columns of their own.
const FIELDS: &[&str] = &[
    "$remote_addr",
    "$http_x_forwarded_for",
    "$body_bytes_sent",
    "$request_time",
    "$host",
    "$http_referer",
    "$http_user_agent",
    "$request_id",
];

#[test]
fn nginx_variables_have_their_units() {
    for (more, value, expected) in [
        ("$request_time", "0.042", Some(42.0)),
        (
            "$upstream_response_time",
            "0.010, 0.020 : 0.030",
            Some(60.0),
        ),
        (
            "$upstream_response_time $request_time",
            "0.010 1.250",
            Some(1250.0),
        ),
        ("$request_length $request_time", "412 0.5", Some(500.0)),
        ("\"$gzip_ratio\"", "\"2.75\"", None),
        ("$connection $connection_requests", "18 3", None),
        ("$msec $request_time", "1709546400.280 0.151", Some(151.0)),
        (
            "rt=$request_time uct=\"$upstream_connect_time\"",
            "rt=0.1 uct=\"-\"",
            Some(100.0),
        ),
    ] {
        let line = format!(
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a?b HTTP/1.1" 200 512 "-" "curl/8" {value}"#
        );
        let format = format(&format!("{COMBINED} {more}"));
        let request = read(&format, &line).unwrap_or_else(|reason| panic!("{more}: {reason:?}"));
        assert_eq!(request.latency_ms, expected, "{more}");
        assert_eq!(
            (request.timestamp, &*request.path),
            (MOMENT, "/a"),
            "{more}"
        );
        assert_eq!(request.user_agent.as_deref(), Some("curl/8"));
    }
}

#[test]
fn apache_directives_have_their_units() {
    for (more, value, expected) in [
        ("%D", "42000", Some(42.0)),
        ("%T", "12", Some(12_000.0)),
        ("%{ms}T", "42", Some(42.0)),
        ("%{us}T", "42000", Some(42.0)),
        ("%T/%D", "2/2126669", Some(2126.669)),
        ("%I %O", "412 3791", None),
        ("%k %X", "3 +", None),
    ] {
        let line = format!(
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" 200 512 {value}"#
        );
        let format = format(&format!(r#"%h %l %u %t "%r" %>s %b {more}"#));
        let request = read(&format, &line).unwrap_or_else(|reason| panic!("{more}: {reason:?}"));
        assert_eq!(request.latency_ms, expected, "{more}");
        assert_eq!(request.bytes, Some(512));
    }
}

#[test]
fn tomcat_has_directives_of_its_own() {
    let line = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a?b HTTP/1.1" 200 512"#;
    let expected = |latency: &str| format!("NULL 203.0.113.7 /a 200 Some(512) {latency}");
    assert_eq!(columns("tomcat", line), expected("None"));
    // `%F`, attributes and cookies; the time as the version counts it.
    let start = r#"%h %l %u %t "%r" %s %b"#;
    for (more, value, latency) in [
        ("%F %{x}r %{y}s %{z}c %I", "3 a b c http-1", "None"),
        ("%{ms}T", "42", "Some(42.0)"),
        ("%{us}T", "42000", "Some(42.0)"),
        ("%T", "0.042", "Some(42.0)"),
    ] {
        let format = format!("tomcat:{start} {more}");
        assert_eq!(
            columns(&format, &format!("{line} {value}")),
            expected(latency),
            "{more}"
        );
    }
    // Since 10 `%D` is that of Apache.
    assert_eq!(
        columns(&format!("apache:{start} %D"), &format!("{line} 42000")),
        expected("Some(42.0)")
    );
}

#[test]
fn times_may_have_a_pattern() {
    for (pattern, time) in [
        ("%{%Y-%m-%dT%H:%M:%S%z}t", "2024-03-04T10:00:00+0000"),
        (
            "[%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t]",
            "[04/Mar/2024:12:00:00.000 +0200]",
        ),
        ("%{sec}t", "1709546400"),
        ("%{usec}t", "1709546400000000"),
        ("%{msec}t", "1709546400000"),
        ("%{%Y-%m-%d %H:%M:%S}t", "2024-03-04 10:00:00"),
        ("%{%Y-%m-%d}t\\t%{%H:%M:%S}t", "2024-03-04\t10:00:00"),
        ("%{%d/%b/%Y:%T %Z}t", "04/Mar/2024:05:00:00 EST"),
        ("%{begin}t", "[04/Mar/2024:10:00:00 +0000]"),
        ("%t", "[04/Mar/2024:10:00:00 +0000]"),
    ] {
        let format = format(&format!("%h {pattern} \"%r\" %s"));
        let line = format!("203.0.113.7 {time} \"GET / HTTP/1.1\" 200");
        let request = read(&format, &line).unwrap_or_else(|reason| panic!("{pattern}: {reason:?}"));
        assert_eq!(request.timestamp, MOMENT, "{pattern}");
    }
}

#[test]
fn a_time_may_hold_what_follows_it() {
    for (text, line) in [
        (
            "$time_local $remote_addr \"$request\" $status",
            "04/Mar/2024:12:00:00 +0200 203.0.113.7 \"GET /a HTTP/1.1\" 200",
        ),
        (
            "$time_local $status $remote_addr \"$request\"",
            "04/Mar/2024:12:00:00 +0200 200 203.0.113.7 \"GET /a HTTP/1.1\"",
        ),
        (
            "%{%Y-%m-%d %H:%M:%S %z}t %h \"%r\" %s",
            "2024-03-04 12:00:00 +0200 203.0.113.7 \"GET /a HTTP/1.1\" 200",
        ),
    ] {
        let format = format(text);
        let request = read(&format, line).unwrap_or_else(|reason| panic!("{text}: {reason:?}"));
        assert_eq!(
            (request.timestamp, &*request.client_ip),
            (MOMENT, "203.0.113.7"),
            "{text}"
        );
    }
}

#[test]
fn ports_are_no_part_of_an_address() {
    let elb = r#"2024-03-04T10:00:00.945958Z lb {} 10.0.0.1:80 0.1 0.1 0.1 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#;
    let haproxy = r#"{} [06/Feb/2009:12:14:14.655] in static/srv1 10/0/30/69/109 200 27 - - ---- 1/1/1/1/0 0/0 "GET /a HTTP/1.1""#;
    let said = r#"{} [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" 200"#;
    for (format, line) in [
        ("elb", elb),
        ("haproxy", haproxy),
        (
            "$remote_addr:$remote_port [$time_local] \"$request\" $status",
            said,
        ),
        ("%a:%{remote}p %t \"%r\" %>s", said),
    ] {
        for (socket, client) in [
            ("203.0.113.7:2817", "203.0.113.7"),
            ("2001:db8::1:50599", "2001:db8::1"),
            (
                "2601:6bbc:c529:9dad:6bbc:c529:9dad:6bbc:50599",
                "2601:6bbc:c529:9dad:6bbc:c529:9dad:6bbc",
            ),
            ("::ffff:203.0.113.7:33317", "::ffff:203.0.113.7"),
            ("[2001:db8::1]:5555", "2001:db8::1"),
        ] {
            let line = line.replace("{}", socket);
            let format = self::format(format);
            let request =
                read(&format, &line).unwrap_or_else(|reason| panic!("{line}: {reason:?}"));
            let proxies = crate::logs::client::TrustedProxies::default();
            assert_eq!(proxies.client(&request), client, "{line}");
        }
    }
    let line = haproxy.replace("{}", "unix:1");
    assert_eq!(read(&format("haproxy"), &line).unwrap().client_ip, "");
}

#[test]
fn a_line_that_its_writer_cut_off_is_read() {
    let line = r#"203.0.113.7:33317 [06/Feb/2009:12:14:14.655] in static/srv1 10/0/30/69/109 200 27 - - ---- 1/1/1/1/0 0/0 "GET /long/pa"#;
    assert_eq!(
        columns("haproxy", line),
        "NULL 203.0.113.7 /long/pa 200 Some(27) Some(109.0)"
    );
    let line = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozil"#;
    let agent = format(COMBINED);
    assert_eq!(
        read(&agent, line).unwrap().user_agent.as_deref(),
        Some("Mozil")
    );
}

#[test]
fn no_status_is_none_in_every_format() {
    let line = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" - - "-" "x""#;
    assert_eq!(columns(COMBINED, line), "NULL 203.0.113.7 /a 0 None None");
    let line = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" - - "-" "x" 45640 "-" "-" 0ms"#;
    assert_eq!(
        columns("traefik", line),
        "NULL 203.0.113.7 /a 0 None Some(0.0)"
    );
}

#[test]
fn the_size_of_the_whole_response_is_none_of_its_body() {
    let line = r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a HTTP/1.1" 304 - 180"#;
    let both = r#"%h %l %u %t "%r" %>s %b %O"#;
    assert_eq!(columns(both, line), "NULL 203.0.113.7 /a 304 None None");
    let whole = r#"%h %l %u %t "%r" %>s %P %O"#;
    assert_eq!(
        columns(whole, line),
        "NULL 203.0.113.7 /a 304 Some(180) None"
    );
}

#[test]
fn path_and_query_of_apache_may_touch() {
    let text = "%h %l %u %t \"%m %U%q %H\" %>s";
    for (target, path, query) in [("/a?b=c", "/a", "b=c"), ("/a", "/a", "")] {
        let line = std::format!(
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET {target} HTTP/1.1" 200"#
        );
        let format = format(text);
        let request = read(&format, &line).unwrap();
        assert_eq!((&*request.path, &*request.query), (path, query));
    }
}

#[test]
fn known_formats_read_their_lines() {
    for (name, line, expected) in [
        (
            "alb",
            r#"h2 2024-03-04T10:00:00.186641Z app/lb/50dc 203.0.113.7:2817 10.0.0.1:80 0.001 0.048 0.000 200 200 34 366 "GET https://www.example.com:443/a?b=c HTTP/2.0" "curl/8" ECDHE TLSv1.2 arn:x "Root=1-5" "www.example.com" "arn" 0 2024-03-04T10:00:00.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#,
            "www.example.com 203.0.113.7 /a 200 Some(366) Some(49.0)",
        ),
        (
            "alb",
            r#"http 2024-03-04T10:00:00.186641Z app/lb/50dc 203.0.113.7:2817 - -1 -1 -1 502 - 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/8" - - arn:x "Root=1-5" "-" "-" 0 2024-03-04T10:00:00.000000Z "forward" "-" "-" "-" "-" "-" "-""#,
            "www.example.com 203.0.113.7 / 502 Some(366) None",
        ),
        (
            "alb",
            r#"http 2024-03-04T10:00:00.186641Z app/lb/50dc 203.0.113.7:2817 - -1 -1 -1 400 - 0 272 "- http://lb-1.elb.amazonaws.com:80- " "-" - - - "-" "-" "-" - 2024-03-04T10:00:00.000000Z "-" "-" "-" "-" "-" "-" "-""#,
            "NULL 203.0.113.7 - http://lb-1.elb.amazonaws.com:80-  400 Some(272) None",
        ),
        (
            "alb",
            r#"https 2024-03-04T10:00:00.186641Z app/lb/50dc 203.0.113.7:2817 10.0.0.1:80 0.001 0.048 0.000 200 200 34 366 "GET https://www.example.com:443/a b"c?d HTTP/1.1" "x" y" - - arn:x "Root=1-5" "-" "arn" 0 2024-03-04T10:00:00.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#,
            r#"www.example.com 203.0.113.7 /a b"c 200 Some(366) Some(49.0)"#,
        ),
        (
            "elb",
            r#"2024-03-04T10:00:00.945958Z lb 203.0.113.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#,
            "www.example.com 203.0.113.7 / 200 Some(29) Some(1.178)",
        ),
        (
            "s3",
            r#"79a5 bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a5 3E57 REST.GET.OBJECT a/b.jpg "GET /bucket1/a/b.jpg?x HTTP/1.1" 200 - 113 4000 7 5 "-" "S3Console/0.4" - s9lzHYrFp76Z SigV4 ECDHE AuthHeader bucket1.s3.amazonaws.com TLSv1.2 - -"#,
            "bucket1 192.0.2.3 /bucket1/a/b.jpg 200 Some(113) Some(7.0)",
        ),
        (
            "haproxy",
            r#"203.0.113.7:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#,
            "NULL 203.0.113.7 /index.html 200 Some(2750) Some(109.0)",
        ),
        (
            "haproxy",
            r#"203.0.113.7:33317 [06/Feb/2009:12:14:14.655] http-in~ static/<NOSRV> -1/-1/-1/-1/3 -1 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>""#,
            "NULL 203.0.113.7 <BADREQ> 0 Some(0) Some(3.0)",
        ),
        (
            "haproxy",
            r#"203.0.113.7:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {Mozilla/5.0 (X11; #22x#22 y)|www.example.com} {text/html; q=1} "GET /a?b HTTP/1.1""#,
            "NULL 203.0.113.7 /a 200 Some(2750) Some(109.0)",
        ),
        (
            "envoy",
            r#"[2024-03-04T10:00:00.310Z] "POST /api/v1 HTTP/2" 204 - 154 0 226 100 "203.0.113.7" "nsq2http" "cc21" "www.example.com" "tcp://10.0.2.1:80""#,
            "www.example.com  /api/v1 204 Some(0) Some(226.0)",
        ),
        (
            "istio",
            r#"[2024-03-04T10:00:00.209Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 3 1 "-" "curl/7.73.0" "84961386" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 outbound_.8000_._.httpbin.foo.svc.cluster.local default"#,
            "httpbin 10.44.1.23:37652 /status/418 418 Some(135) Some(3.0)",
        ),
        (
            "traefik",
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/8" 700001 "web" "http://10.0.0.5:80" 12ms"#,
            "NULL 203.0.113.7 / 200 Some(512) Some(12.0)",
        ),
        (
            "ingress-nginx",
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/8" 71 0.003 [default-web-80] [] 10.0.0.1:80, 10.0.0.2:80 0, 512 0.001, 0.002 502, 200 1f2e"#,
            "NULL 203.0.113.7 / 200 Some(512) Some(3.0)",
        ),
        (
            "squid",
            "1709546400.779    180 203.0.113.7 TCP_MISS/200 411 GET http://www.example.com/a - HIER_DIRECT/192.0.2.1 text/plain",
            "NULL 203.0.113.7 http://www.example.com/a 200 Some(411) Some(180.0)",
        ),
        (
            "haproxy-clf",
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /x HTTP/1.1" 200 480 "" "" 50535 265 "fe~" "be" "srv1" 0 0 0 191 191 ---- 45 45 3 1 0 0 0 "" """#,
            "NULL 203.0.113.7 /x 200 Some(480) Some(191.0)",
        ),
    ] {
        assert_eq!(columns(name, line), expected, "{name}");
    }
}

#[test]
fn text_may_hold_what_ends_it() {
    let format = format(COMBINED);
    for (line, path, agent) in [
        (
            r#"203.0.113.7 - a [b] [04/Mar/2024:10:00:00 +0000] "GET /a\"b HTTP/1.1" 200 5 "-" "x \"y\" z""#,
            r#"/a"b"#,
            r#"x "y" z"#,
        ),
        (
            r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET /a" b" c HTTP/1.1" 200 5 "-" "x""#,
            r#"/a" b" c"#,
            "x",
        ),
    ] {
        let request = read(&format, line).unwrap();
        assert_eq!(&*request.path, path);
        assert_eq!(request.user_agent.as_deref(), Some(agent));
    }
    for line in [
        "",
        "203.0.113.7",
        r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET / HTTP/1.1" 200"#,
        r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "x" 0.1"#,
        r#"203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "x" "y""#,
    ] {
        assert_eq!(
            read(&format, line).map(|_| ()),
            Err(Reject::Mismatch),
            "{line}"
        );
    }
}

#[test]
fn escapes_are_those_of_the_server() {
    let line = r#"203.0.113.7 04/Mar/2024:10:00:00 +0000 "GET / HTTP/1.1" 200 "caf\u00e9 \"x\"""#;
    let body = r#"$remote_addr $time_local "$request" $status "$http_user_agent""#;
    let json = format(&format!("escape=json {body}"));
    assert_eq!(
        read(&json, line).unwrap().user_agent.as_deref(),
        Some("café \"x\"")
    );
    let none = format(&format!("escape=none {body}"));
    assert_eq!(
        read(&none, line).unwrap().user_agent.as_deref(),
        Some(r#"caf\u00e9 \"x\""#)
    );
}

#[test]
fn a_wrong_format_says_where() {
    for (text, message) in [
        (
            "",
            "log format, character 1: `` is the name of no format and holds no field",
        ),
        (
            "xml",
            "log format, character 1: `xml` is the name of no format and holds no field",
        ),
        (
            "$remote_addr [$time_local] ${status",
            "log format, character 28: `${status` is not closed, expected `}`",
        ),
        (
            "%h %t \"%r\" %ö",
            "log format, character 12: unknown directive `%ö`",
        ),
        (
            "%h %{x",
            "log format, character 4: `%{x` is not closed, expected `}`",
        ),
        (
            "%h%t \"%r\" %s",
            "log format, character 3: nothing stands between `%h` and `%t`, so that no line tells where the first ends",
        ),
        (
            "$remote_addr $request_time",
            "log format, character 1: no field holds the time",
        ),
        (
            "[$time_local] $status",
            "log format, character 1: no field holds the request",
        ),
        (
            "[$time_local] \"$request\"",
            "log format, character 1: no field holds the status",
        ),
        // Of what was typed, the character is the same.
        (
            "urls:$remote_addr [$time_local] ${status",
            "log format, character 33: `${status` is not closed, expected `}`",
        ),
        (
            "LogFormat \"%h %t \\\"%r\\\" %ö\" mine",
            "log format, character 25: unknown directive `%ö`",
        ),
        (
            "log_format main '$remote_addr$time_local '\n '$status';",
            "log format, character 30: nothing stands between `$remote_addr` and `$time_local`, so that no line tells where the first ends",
        ),
        (
            "log_format main '$remote_addr '\n '[$time_local] ${status';",
            "log format, character 49: `${status` is not closed, expected `}`",
        ),
        (
            " log_format main '$remote_addr $status';",
            "log format, character 19: no field holds the time",
        ),
        (
            "tomcat:%h %t \"%r\" %s %D",
            "log format, character 22: `%D` is in milliseconds of Tomcat before 10 and in microseconds since",
        ),
        (
            "%h %{%H:%M}t \"%r\" %s",
            "log format, character 4: `%H:%M` is no time that can be read: it does not tell day and time of day",
        ),
    ] {
        let error = text.parse::<LineFormat>().unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        assert!(error.hint().is_some());
    }
}

proptest! {
    #[test]
    fn single_values_and_others_make_one_request(
        text in prop::sample::subsequence(FIELDS, 4..FIELDS.len()),
        values in prop::collection::vec("-|[0-9.]{1,9}|[a-z./ ]{0,9}|GET /[a-z?]{0,5} HTTP/1.1|200", FIELDS.len()),
    ) {
        let mut body = String::from("[$time_local] \"$request\" $status");
        let mut line = String::from("[04/Mar/2024:10:00:00 +0000] \"GET /a?b HTTP/1.1\" 200");
        for (field, value) in text.iter().zip(&values) {
            body.push_str(&std::format!(" \"{field}\""));
            line.push_str(&std::format!(" \"{value}\""));
        }
        let format = format(&body);
        prop_assert!(format.is_single, "{}", body);
        let (mut one, mut other) = (ClfReader::default(), ClfReader::default());
        prop_assert_eq!(
            format.read_into::<single::Single<'_>>(&line, &mut one),
            format.read_into::<crate::logs::values::Values<'_>>(&line, &mut other)
        );
    }

    #[test]
    fn no_format_makes_it_panic(
        text in "\\PC*|[%${}a-zA-Z_:\"\\[\\] >+-]*",
        line in "\\PC*",
    ) {
        if let Ok(format) = text.parse::<LineFormat>() {
            let _ = read(&format, &line);
        }
    }

    #[test]
    fn no_line_makes_it_panic(
        known in 0..KNOWN.len(),
        line in "\\PC*|[0-9./:\\[\\]\" {}a-z,-]*",
    ) {
        if let Some(format) = KNOWN[known].format() {
            let _ = read(format, &line);
        }
    }
}
