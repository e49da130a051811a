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
    insta::assert_snapshot!(work.run(&["ingest", "--explain", "shop.log"]), @"");
    assert!(
        !work.path().join("warehouse").exists(),
        "something was written"
    );
}

#[test]
fn a_said_format_reads_what_is_not_told() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START} 412 3791\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--no-windows", "shop.log"]), @"");
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "--format", FORMAT, "shop.log"]),
        @""
    );
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "--again", "--format", FORMAT, "shop.log"]),
        @""
    );
    insta::assert_snapshot!(work.succeed(&["sql", "--format", "csv", ROWS]), @"");
}

#[test]
fn a_wrong_format_says_where() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START}\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--format", "xml", "shop.log"]), @"");
    insta::assert_snapshot!(
        work.run(&["ingest", "--format", "$remote_addr [$time_local] ${status", "shop.log"]),
        @""
    );
}

#[test]
fn a_log_that_has_grown_takes_the_place_of_what_was_read() {
    let work = Workplace::new();
    work.write("shop.log", format!("{START}\n"));
    work.succeed(&["ingest", "--no-windows", "shop.log"]);
    let later = START.replace("10:00:00", "10:00:01");
    work.write("shop.log", format!("{START}\n{later}\n"));
    insta::assert_snapshot!(work.run(&["ingest", "--no-windows", "shop.log"]), @"");
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
        @""
    );
    // Lines of which none is a request.
    work.write("d.log", START.replace("[04", "[99"));
    insta::assert_snapshot!(
        work.run(&["ingest", "--no-windows", "--format", "combined", "d.log"]),
        @""
    );
}

#[test]
fn folders_name_sites_where_files_do_not() {
    let work = Workplace::new();
    for site in ["a", "b"] {
        std::fs::create_dir_all(work.path().join(site).join("logs")).unwrap();
        let line = START.replace(
            "203.0.113.7",
            if site == "a" {
                "192.0.2.1"
            } else {
                "192.0.2.2"
            },
        );
        work.write(&format!("{site}/logs/access.log"), format!("{line}\n"));
    }
    for (number, inputs) in [
        vec!["a/logs/access.log", "b/logs/access.log"],
        vec!["a", "b"],
        vec!["."],
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
    insta::assert_snapshot!(work.run(&["ingest", "logs.tar"]), @"");
    insta::assert_snapshot!(work.run(&["ingest", "logs.bz2"]), @"");
}
