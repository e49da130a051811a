//! Formats of text logs: said, told and explained, and logs that are read again.

use crate::Workplace;

const START: &str =
    "203.0.113.7 - - [04/Mar/2024:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 512 \"-\" \"curl/8\"";
const FORMAT: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $latency_us"#;
const ROWS: &str =
    "SELECT site, client_ip, path, latency_ms FROM access_logs ORDER BY timestamp, site";

#[test]
fn a_log_is_explained_without_being_read() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START} 412 3791\nno request\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--explain", "shop.log"]), @r#"
    shop.log: combined
    1 of the first 2 lines are requests
      client_ip    first address (its place before the time)
      timestamp    time in brackets (its form)
      path         text in quotes before the status (its place)
      status       number behind the request (its place)
      bytes        number behind the status, in bytes (its place)
      referer      1st field behind the size (first text in quotes behind the size)
      user_agent   2nd field behind the size (text in quotes behind the referer)
      not read     3rd field behind the size, such as `412`
      not read     4th field behind the size, such as `3791`
    row 1: timestamp=2024-03-04T10:00:00Z site="shop" client_ip="203.0.113.7" method="GET" path="/a" query="" protocol="HTTP/1.1" referer=NULL user_agent="curl/8" status=200 bytes=512 latency_ms=NULL
    rejected: 1 × no timestamp, first line 2: no request
    To say the same: --format '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $field_3 $field_4'
    "#);
    assert!(
        !work.path().join("warehouse").exists(),
        "something was written"
    );
}

#[test]
fn a_said_format_reads_what_is_not_told() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START} 412 3791\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--no-windows", "shop.log"]), @"
    --- stderr
    shop.log: 1 of 1 lines are requests (combined, no latency; not read: 3rd field behind the size (`412`), 4th field behind the size (`3791`), say what they are with `--format`), 0 rejected
    1 requests ingested, 0 lines rejected
    ");
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "--format", FORMAT, "shop.log"]),
        @"
        --- stderr
        shop.log: already ingested, nothing changed
        shop.log: it was read with other options or by another version: `--again` reads it anew
        0 requests ingested, 0 lines rejected
        "
    );
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "--again", "--format", FORMAT, "shop.log"]),
        @r#"
        --- stderr
        shop.log: 1 of 1 lines are requests ($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $latency_us, latency from $latency_us in microseconds), 0 rejected
        1 requests ingested, 0 lines rejected
        "#
    );
    insta::assert_snapshot!(work.succeed(&["sql", "--format", "csv", ROWS]), @"
    site,client_ip,path,latency_ms
    shop,203.0.113.7,/a,3.791
    ");
}

#[test]
fn a_wrong_format_says_where() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START}\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--format", "xml", "shop.log"]), @"
    --- stderr
    error: invalid value 'xml' for '--format <FORMAT>': log format, character 1: `xml` is the name of no format and holds no field (expected the `log_format` of nginx, the `LogFormat` of Apache, or one of `auto`, `common`, `combined`, `json`, `ltsv`, `w3c`, `tsv`, `csv`, `parquet`, `alb`, `elb`, `s3`, `haproxy`, `haproxy-clf`, `istio`, `envoy`, `traefik`, `ingress-nginx`, `squid`, `main`, `tomcat`, `vhost_combined`, `vhost_common`, `combinedio`)

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(
        work.run(&["ingest", "--format", "$remote_addr [$time_local] ${status", "shop.log"]),
        @"
        --- stderr
        error: invalid value '$remote_addr [$time_local] ${status' for '--format <FORMAT>': log format, character 28: `${status` is not closed, expected `}` (copy the format from the server's configuration, in single quotes; `haproxy:`, `envoy:`, `tomcat:`, `nginx:` or `apache:` in front says whose it is)

        For more information, try '--help'.
        --- exit 2
        "
    );
}

#[test]
fn a_log_that_has_grown_takes_the_place_of_what_was_read() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START}\n"));
    work.succeed(&["ingest", "--no-windows", "shop.log"]);
    let later = START.replace("10:00:00", "10:00:01");
    work.write("shop.log", format!("{START}\n{later}\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--no-windows", "shop.log"]), @"
    --- stderr
    shop.log: 2 of 2 lines are requests (combined, no latency), 0 rejected
    shop.log: has grown: what was read of it before is replaced
    2 requests ingested, 0 lines rejected
    ");
    assert_eq!(
        work.succeed(&[
            "sql",
            "--format",
            "csv",
            "SELECT count(*) AS n FROM access_logs"
        ]),
        "n\n2\n"
    );
}

#[test]
fn a_log_that_cannot_be_read_does_not_stop_the_others() {
    let work = Workplace::new();
    work.write("a.log", "");
    work.write("b.log", format!("{START}\n"));
    work.write("c.log", "once upon a time\n");
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "a.log", "b.log", "c.log"]),
        @"
        --- stderr
        b.log: 1 of 1 lines are requests (combined, no latency), 0 rejected
        a.log: not read: `a.log` is empty, expected at least one line
        c.log: not read: cannot tell the log format of `c.log` from its first lines, which begin `once upon a time`
        1 requests ingested, 0 lines rejected
        --- exit 3
        "
    );
    // Lines of which none is a request.
    work.write("d.log", START.replace("[04", "[99"));
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "--format", "combined", "d.log"]),
        @"
        --- stderr
        d.log: 0 of 1 lines are requests (combined, no latency), 1 rejected; 1 × unreadable timestamp
        d.log: no line could be read as a request
        0 requests ingested, 1 lines rejected (see the table `quarantine`)
        --- exit 1
        "
    );
}

#[test]
fn folders_name_sites_where_files_do_not() {
    let work = Workplace::new();
    for site in ["a", "b"] {
        std::fs::create_dir_all(work.path().join("sites").join(site).join("logs")).unwrap();
        let line = START.replace(
            "203.0.113.7",
            if site == "a" {
                "192.0.2.1"
            } else {
                "192.0.2.2"
            },
        );
        work.write(
            &format!("sites/{site}/logs/access.log"),
            format!("{line}\n"),
        );
    }
    for (number, inputs) in [
        vec!["sites/a/logs/access.log", "sites/b/logs/access.log"],
        vec!["sites/a", "sites/b"],
        vec!["sites"],
    ]
    .into_iter()
    .enumerate()
    {
        let warehouse = format!("warehouse-{number}");
        let start = ["--warehouse", &warehouse, "ingest", "--no-windows"];
        work.succeed(&[&start[..], &inputs[..]].concat());
        let sites = "SELECT site, client_ip FROM access_logs ORDER BY site";
        assert_eq!(
            work.succeed(&["--warehouse", &warehouse, "sql", "--format", "csv", sites]),
            "site,client_ip\na,192.0.2.1\nb,192.0.2.2\n",
            "{inputs:?}"
        );
    }
}

#[test]
fn archives_are_refused_with_what_unpacks_them() {
    let work = Workplace::new();
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    work.write("logs.tar", tar);
    work.write("logs.bz2", b"BZh91AY&SY");
    insta::assert_snapshot!(work.run(&["ingest", "logs.tar"]), @"
    --- stderr
    error: `logs.tar` is in tar format, expected plain text, gzip or zstd
    hint: unpack it and pipe it in, as in `tar -xOf logs.tar | anomalog ingest -`
    --- exit 1
    ");
    insta::assert_snapshot!(work.run(&["ingest", "logs.bz2"]), @"
    --- stderr
    error: `logs.bz2` is in bzip2 format, expected plain text, gzip or zstd
    hint: unpack it and pipe it in, as in `bzip2 -dc logs.bz2 | anomalog ingest -`
    --- exit 1
    ");
}
