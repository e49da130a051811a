//! Lines of Apache's formats, read by `anomalog` and by `apachelogs`, which knows nothing of it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Workplace;

const FORMATS: [&str; 9] = [
    r#"%h %l %u %t "%r" %>s %b"#,
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#,
    r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i""#,
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %I %O %D"#,
    r#"%h %l %u %t "%r" %>s %B %T/%D "%{User-Agent}i""#,
    r#"%h %u [%{%d/%b/%Y:%H:%M:%S %z}t] "%r" %s %b %{ms}T"#,
    r#"%{%Y-%m-%d %H:%M:%S %z}t %h "%r" %>s %b "%{Referer}i" %{us}T %k %X"#,
    r#"%h (%{X-Request-Id}i) <%u> %t %f "%r" %>s %b '%{User-Agent}i' %P %T"#,
    r"%t|%v|%h|%r|%>s|%b|%{Referer}i|%{User-Agent}i|%D",
];

/// The values of one request.
struct Hit {
    second: u64,
    client: &'static str,
    request: &'static str,
    status: &'static str,
    bytes: &'static str,
    micros: u64,
    referer: &'static str,
    agent: &'static str,
}

/// Requests whose values stand in each other's way: with escapes, without values, with blanks.
fn hits() -> Vec<Hit> {
    const CLIENTS: [&str; 4] = [
        "203.0.113.7",
        "2001:db8::7",
        "client7.example.net",
        "198.51.100.9",
    ];
    const REQUESTS: [&str; 5] = [
        "GET / HTTP/1.1",
        "POST /cart/add?item=7&n=2 HTTP/1.1",
        "HEAD /a%20b HTTP/1.0",
        r#"GET /say/\"hi\" HTTP/1.1"#,
        "OPTIONS * HTTP/1.1",
    ];
    const AGENTS: [&str; 4] = [
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
        "-",
        r#"odd \"quoted\" agent [x] 200 5"#,
        "curl/8.5.0",
    ];
    (0..60_u64)
        .map(|number| {
            let at = number as usize;
            Hit {
                second: number * 37,
                client: CLIENTS[at % 4],
                request: REQUESTS[at % 5],
                status: ["200", "304", "404", "500"][at % 4],
                bytes: ["512", "-", "0", "123456789"][at / 3 % 4],
                micros: number * number * 1_234 + 7,
                referer: ["-", "https://www.example.com/a?b=c"][at / 2 % 2],
                agent: AGENTS[at / 4 % 4],
            }
        })
        .collect()
}

/// A line as Apache writes it.
fn line(format: &str, hit: &Hit) -> String {
    let clock = format!(
        "{:02}:{:02}:{:02}",
        10 + hit.second / 3600,
        hit.second / 60 % 60,
        hit.second % 60
    );
    let size = if hit.bytes == "-" { "0" } else { hit.bytes };
    let values = [
        (
            "%{%d/%b/%Y:%H:%M:%S %z}t",
            format!("04/Mar/2024:{clock} +0200"),
        ),
        (
            "%{%Y-%m-%d %H:%M:%S %z}t",
            format!("2024-03-04 {clock} +0200"),
        ),
        ("%{Referer}i", hit.referer.to_owned()),
        ("%{User-Agent}i", hit.agent.to_owned()),
        ("%{X-Request-Id}i", "7f3a 11".to_owned()),
        ("%{ms}T", (hit.micros / 1000).to_string()),
        ("%{us}T", hit.micros.to_string()),
        ("%>s", hit.status.to_owned()),
        ("%s", hit.status.to_owned()),
        ("%h", hit.client.to_owned()),
        ("%l", "-".to_owned()),
        ("%u", "frank".to_owned()),
        ("%t", format!("[04/Mar/2024:{clock} +0200]")),
        ("%r", hit.request.to_owned()),
        ("%b", hit.bytes.to_owned()),
        ("%B", size.to_owned()),
        ("%I", "412".to_owned()),
        ("%O", size.to_owned()),
        ("%D", hit.micros.to_string()),
        ("%T", (hit.micros / 1_000_000).to_string()),
        ("%v", "shop.example.com".to_owned()),
        ("%p", "443".to_owned()),
        ("%k", "3".to_owned()),
        ("%X", "+".to_owned()),
        ("%f", "/var/www/a b.html".to_owned()),
        ("%P", "4711".to_owned()),
    ];
    let mut line = String::new();
    let mut rest = format;
    while !rest.is_empty() {
        let found = values.iter().find(|(name, _)| rest.starts_with(name));
        let length = match found {
            Some((name, value)) => {
                line.push_str(value);
                name.len()
            }
            None => {
                line.push_str(&rest[..1]);
                1
            }
        };
        rest = &rest[length..];
    }
    line.push('\n');
    line
}

/// What `apachelogs` reads of lines; nothing where it is not there.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn peer(format: &str, lines: &str) -> Option<Vec<Value>> {
    let Ok(python) = std::env::var("ANOMALOG_READERS") else {
        eprintln!("skipped: ANOMALOG_READERS names no Python with apachelogs");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/read_apache.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(format)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{format}: {errors}");
    let rows = String::from_utf8(output.stdout).unwrap();
    Some(
        rows.lines()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect(),
    )
}

/// What `anomalog` reads of the same lines, in the same order.
fn ours(format: &str, lines: &str) -> Vec<Value> {
    const QUERY: &str = "SELECT CAST(to_unixtime(timestamp) AS BIGINT) AS s, client_ip, site, method, path, query, \
         status, bytes, latency_ms, referer, user_agent FROM access_logs ORDER BY timestamp";
    let work = Workplace::new();
    work.write("apache.log", lines);
    work.succeed(&["ingest", "--no-windows", "--format", format, "apache.log"]);
    let rows = work.succeed(&["sql", "--format", "ndjson", QUERY]);
    let rows = rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap());
    rows.map(|row| {
        let query = row["query"].as_str().unwrap_or_default();
        let path = row["path"].as_str().unwrap();
        let target = if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        };
        let site = row["site"].as_str().filter(|site| *site != "apache");
        json!([
            row["s"],
            row["client_ip"],
            site,
            row["method"],
            target,
            row["status"],
            row["bytes"],
            row["latency_ms"],
            row["referer"],
            row["user_agent"]
        ])
    })
    .collect()
}

#[test]
fn an_independent_reader_reads_the_same() {
    for format in FORMATS {
        let lines: String = hits().iter().map(|hit| line(format, hit)).collect();
        let rows = ours(format, &lines);
        assert_eq!(rows.len(), hits().len(), "{format}");
        let Some(expected) = peer(format, &lines) else {
            return;
        };
        for ((row, expected), line) in rows.iter().zip(&expected).zip(lines.lines()) {
            let latency = |row: &Value| row[7].as_f64().map(|ms| (ms * 1e3).round());
            assert_eq!(latency(row), latency(expected), "{format}\n{line}");
            let others = |row: &Value| {
                let mut row = row.clone();
                row[7] = Value::Null;
                row
            };
            assert_eq!(others(row), others(expected), "{format}\n{line}");
        }
    }
}
