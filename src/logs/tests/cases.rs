//! Logs as servers, proxies and collectors write them, after public reports: each line stands for a
//! kind of fault that other readers have had, or this one.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int32Type, Int64Type};

use super::Place;
use crate::logs::{FileSummary, IngestOptions, LogFormat, TrustedProxies};
use crate::schema::Table;

const TIME: &str = "[04/Mar/2024:10:00:00 +0000]";

/// What a log is read as.
struct ReadLog {
    rows: Vec<String>,
    summary: FileSummary,
}

/// Reads a log of this name.
fn read(name: &str, text: &str, options: &IngestOptions) -> ReadLog {
    let place = Place::new();
    let path = place.write(name, text);
    let mut read = place
        .ingest_with(&path, options)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let summary = read.files.swap_remove(0);
    let rows = if summary.rows == 0 {
        Vec::new()
    } else {
        shown(&place.table(Table::AccessLogs))
    };
    ReadLog { rows, summary }
}

/// Rows as `site client METHOD path?query status bytes latency referer agent`.
fn shown(rows: &RecordBatch) -> Vec<String> {
    let text = |name: &str, row: usize| {
        let column = rows.column_by_name(name).unwrap();
        let column =
            datafusion::arrow::compute::cast(column, &datafusion::arrow::datatypes::DataType::Utf8)
                .unwrap();
        let column = column.as_string::<i32>();
        (!column.is_null_at(row)).then(|| column.value(row).to_owned())
    };
    (0..rows.num_rows())
        .map(|row| {
            let or_null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
            let status = rows
                .column_by_name("status")
                .unwrap()
                .as_primitive::<Int32Type>()
                .value(row);
            let bytes = rows
                .column_by_name("bytes")
                .unwrap()
                .as_primitive::<Int64Type>();
            let bytes = bytes.is_valid_at(row).then(|| bytes.value(row).to_string());
            let latency = rows
                .column_by_name("latency_ms")
                .unwrap()
                .as_primitive::<Float64Type>();
            let latency = latency
                .is_valid_at(row)
                .then(|| latency.value(row).to_string());
            format!(
                "{} {} {} {}?{} {status} {} {} {} {}",
                or_null(text("site", row)),
                or_null(text("client_ip", row)),
                or_null(text("method", row)),
                or_null(text("path", row)),
                or_null(text("query", row)),
                or_null(bytes),
                or_null(latency),
                or_null(text("referer", row)),
                or_null(text("user_agent", row)),
            )
        })
        .collect()
}

/// Validity of a row.
trait ValidAt {
    fn is_null_at(&self, row: usize) -> bool;
    fn is_valid_at(&self, row: usize) -> bool {
        !self.is_null_at(row)
    }
}

impl<A: datafusion::arrow::array::Array> ValidAt for A {
    fn is_null_at(&self, row: usize) -> bool {
        self.is_null(row)
    }
}

/// What one line of a log is read as.
fn row(line: &str) -> String {
    row_with(line, &IngestOptions::default())
}

fn row_with(line: &str, options: &IngestOptions) -> String {
    let read = read("file.log", &format!("{line}\n"), options);
    match &read.rows[..] {
        [row] => row.clone(),
        _ => panic!("{line}: {:?}", read.summary),
    }
}

fn said(format: &str) -> IngestOptions {
    let format: LogFormat = format.parse().unwrap();
    IngestOptions {
        format: format.of_lines(None),
        ..IngestOptions::default()
    }
}

const PLAIN: &str = "file 203.0.113.7 GET /? 200 512 NULL NULL curl/8";

#[test]
fn what_collectors_write_in_front_is_taken_off() {
    let line = format!("203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\"");
    for prefix in [
        "2024-03-04T10:00:00.326492+00:00 web1 nginx: ",
        "Mar  4 10:00:00 web1 nginx: ",
        "<190>Mar 14 10:00:00 web1 nginx[7]: ",
        "<190>1 2024-03-04T10:00:00Z web1 nginx 7 - - ",
        "web_1  | ",
        "2024-03-04T10:00:00.326492123Z stdout F ",
        "[pod/web/nginx] ",
        "2024/03/04 10:00:00 ",
    ] {
        assert_eq!(row(&format!("{prefix}{line}")), PLAIN, "{prefix}");
    }
    let quoted = line.replace('"', "\\\"");
    for record in [
        format!(
            "{{\"log\":\"{quoted}\\n\",\"stream\":\"stdout\",\"time\":\"2024-03-04T10:00:01Z\"}}"
        ),
        format!("{{\"textPayload\":\"{quoted}\",\"timestamp\":\"2024-03-04T10:00:01Z\"}}"),
        format!(
            "{{\"@timestamp\":\"2024-03-04T10:00:01Z\",\"message\":\"{quoted}\",\"host\":{{\"name\":\"a\"}}}}"
        ),
        format!("{{\"MESSAGE\":\"Mar  4 10:00:00 web1 nginx: {quoted}\"}}"),
    ] {
        assert_eq!(row(&record), PLAIN, "{record}");
    }
    assert_eq!(
        row(&format!("2024/03/04 10:00:00 www.example.com {line}")),
        PLAIN.replace("file", "www.example.com")
    );
    // A line without what most lines have.
    let mixed = format!("Mar  4 10:00:00 web1 nginx: {line}\n{line}\n");
    assert_eq!(
        read("file.log", &mixed, &IngestOptions::default()).rows,
        [PLAIN, PLAIN]
    );
}

#[test]
fn named_and_said_formats_stand_behind_prefixes_too() {
    let haproxy = "203.0.113.7:38862 [04/Mar/2024:10:00:00.726] web~ app/a 0/0/1/0/2 304 168 - - ---- 6/6/0/0/0 0/0 {www||} {|||} \"GET / HTTP/1.1\"";
    let ingress = format!(
        "203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 13 \"-\" \"curl/8\" 80 0.004 [default-web-80] [] 10.0.0.9:80 13 0.004 200 c994"
    );
    let elb = "2024-03-04T10:00:00.945958Z lb 203.0.113.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 \"GET http://www.example.com:80/ HTTP/1.1\" \"curl/8\" - -";
    for prefix in [
        "",
        "Mar  4 10:00:00 web1 haproxy[32450]: ",
        "2024-03-04T10:00:00.413656027Z stdout F ",
        "web_1  | 2024-03-04T10:00:00.326Z ",
    ] {
        assert_eq!(
            row(&format!("{prefix}{haproxy}")),
            "file 203.0.113.7 GET /? 304 168 2 NULL NULL",
            "{prefix}"
        );
        assert_eq!(
            row(&format!("{prefix}{ingress}")),
            "file 203.0.113.7 GET /? 200 13 4 NULL curl/8",
            "{prefix}"
        );
        assert_eq!(
            row(&format!("{prefix}{elb}")),
            "www.example.com 203.0.113.7 GET /? 200 29 1.178 NULL curl/8",
            "{prefix}"
        );
        let quoted = format!("{prefix}{ingress}").replace('"', "\\\"");
        let record = format!("{{\"log\":\"{quoted}\\n\",\"stream\":\"stdout\"}}");
        for line in [format!("{prefix}{ingress}"), record] {
            assert_eq!(
                row_with(&line, &said("ingress-nginx")),
                "file 203.0.113.7 GET /? 200 13 4 NULL curl/8",
                "{line}"
            );
        }
    }
    let json = "web_1  | {\"ts\":1709546400,\"ip\":\"203.0.113.7\",\"uri\":\"/\",\"status\":200}";
    assert_eq!(
        row_with(json, &said("json")),
        "file 203.0.113.7  /? 200 NULL NULL NULL NULL"
    );
}

#[test]
fn one_line_does_not_shift_the_fields_of_others() {
    let start = format!("203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512");
    let text = format!(
        "{start} - \"curl/8\" 13 \"Host-0\" \"http://10.0.0.1\" 7ms\n{start} \"-\" \"curl/8\" 14 \"Host-0\" \"http://10.0.0.1\" 8ms\n"
    );
    let rows = read("file.log", &text, &IngestOptions::default()).rows;
    assert_eq!(rows[0], "file 203.0.113.7 GET /? 200 512 7 NULL curl/8");
    assert_eq!(rows[1], "file 203.0.113.7 GET /? 200 512 8 NULL curl/8");
}

#[test]
fn lines_of_other_kinds_do_not_hide_a_format() {
    let s3 = "79a5 bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a5 3E57 REST.GET.OBJECT a.jpg \"GET /a.jpg HTTP/1.1\" 200 - 113 4000 7 5 \"-\" \"S3Console/0.4\"\n";
    let batch = "79a5 bucket1 [06/Feb/2019:00:00:39 +0000] - svc 3E58 BATCH.DELETE.OBJECT b.jpg - 204 - - 344017 - - - - -\n";
    let read_s3 = read(
        "file.log",
        &format!("{s3}{batch}{batch}"),
        &IngestOptions::default(),
    );
    assert_eq!(
        read_s3.rows,
        ["bucket1 192.0.2.3 GET /a.jpg? 200 113 7 NULL S3Console/0.4"]
    );
    assert_eq!(read_s3.summary.rejected, 2);
    let haproxy = "203.0.113.7:38862 [04/Mar/2024:10:00:00.726] web~ app/a 0/0/1/0/2 304 168 - - ---- 6/6/0/0/0 0/0 \"GET / HTTP/1.1\"\n";
    let started = "Proxy web started.\n".repeat(4);
    let read_ha = read(
        "file.log",
        &format!("{started}{haproxy}"),
        &IngestOptions::default(),
    );
    assert_eq!((read_ha.summary.rows, read_ha.summary.rejected), (1, 4));
    // A connection on which no request came is none.
    let tcp = "[2024-03-04T10:00:00.972Z] \"- - -\" 0 UF 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"10.0.0.1:80\"\n";
    let http = "[2024-03-04T10:00:00.972Z] \"GET / HTTP/2\" 200 - 0 9 3 - \"203.0.113.7\" \"curl/8\" \"-\" \"www.example.com\" \"10.0.0.1:80\"\n";
    let read_envoy = read(
        "file.log",
        &format!("{http}{tcp}"),
        &IngestOptions::default(),
    );
    assert_eq!(
        read_envoy.rows,
        ["www.example.com 203.0.113.7 GET /? 200 9 3 NULL curl/8"]
    );
    assert_eq!(read_envoy.summary.rejected, 1);
}

#[test]
fn the_client_is_who_sent_the_request() {
    let rest = format!("{TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\"");
    for (before, site, client) in [
        ("\"203.0.113.7\" 10.0.0.2 - -", "file", "203.0.113.7"),
        ("\"-\" 10.0.0.2 - -", "file", "10.0.0.2"),
        (
            "\"192.0.2.66, 203.0.113.7\" 10.0.0.2 - -",
            "file",
            "203.0.113.7",
        ),
        (
            "www.example.com 203.0.113.7, 10.0.0.1 - -",
            "www.example.com",
            "203.0.113.7",
        ),
        (
            "192.0.2.66, 203.0.113.7, 10.0.0.1 - -",
            "file",
            "203.0.113.7",
        ),
        (
            "www.example.com client7.example.net - -",
            "www.example.com",
            "client7.example.net",
        ),
        ("203.0.113.7:42918 - -", "file", "203.0.113.7"),
        ("203.0.113.7:42919 - frank", "file", "203.0.113.7"),
        ("[2001:db8::7]:443 - -", "file", "2001:db8::7"),
        (
            "www.example.com fe80::1%eth0 - -",
            "www.example.com",
            "fe80::1%eth0",
        ),
        (
            "www.example.com:443 203.0.113.7 - -",
            "www.example.com",
            "203.0.113.7",
        ),
        ("- 203.0.113.7 - -", "file", "203.0.113.7"),
        (
            "203.0.113.7 www.example.com -",
            "www.example.com",
            "203.0.113.7",
        ),
        (
            "203.0.113.7 www.example.com frank",
            "www.example.com",
            "203.0.113.7",
        ),
        (
            "web-7d9f8b6c5-x2k4a nginx 203.0.113.7 - -",
            "file",
            "203.0.113.7",
        ),
        ("203.0.113.7 - frank doe", "file", "203.0.113.7"),
    ] {
        let expected = format!("{site} {client} GET /? 200 512 NULL NULL curl/8");
        assert_eq!(row(&format!("{before} {rest}")), expected, "{before}");
    }
}

#[test]
fn proxies_are_believed_as_far_as_they_are_trusted() {
    let line = format!(
        "10.0.0.2 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\" \"192.0.2.66, 203.0.113.7\"\n"
    );
    let trusting = |networks: &[&str]| IngestOptions {
        trusted_proxies: TrustedProxies::of(networks.iter().map(|text| text.parse().unwrap())),
        ..IngestOptions::default()
    };
    for (options, client) in [
        (IngestOptions::default(), "10.0.0.2"),
        (trusting(&["10.0.0.0/8"]), "203.0.113.7"),
        (trusting(&["172.16.0.0/12"]), "10.0.0.2"),
    ] {
        let said = IngestOptions {
            format: said("main").format,
            ..options.clone()
        };
        let expected = PLAIN.replace("203.0.113.7", client);
        assert_eq!(row_with(&line, &options), expected);
        assert_eq!(row_with(&line, &said), expected);
    }
    let many = read("file.log", &line.repeat(30), &IngestOptions::default());
    assert!(
        many.summary
            .warnings
            .iter()
            .any(|warning| warning.contains("--trusted-proxies")),
        "{:?}",
        many.summary.warnings
    );
    let trusted = read("file.log", &line.repeat(30), &trusting(&["10.0.0.0/8"]));
    assert_eq!(trusted.summary.warnings, [""; 0]);
}

#[test]
fn numbers_and_words_behind_the_agent_are_read_where_one_reading_is_left() {
    let start = format!("203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\"");
    for (after, latency) in [
        (" 700001 \"web\" \"http://10.0.0.5:80\" 12ms", "12"),
        (" 412 3791", "NULL"),
        (" \"2.75\"", "NULL"),
        (" 1709546400.280 0.151", "151"),
        (" \"0.010\" \"1.250\"", "1250"),
        (" 12", "NULL"),
        (" 2/2126669", "2126.669"),
        (" 50535", "NULL"),
        (" HIT", "NULL"),
        (" \"web@docker\"", "NULL"),
    ] {
        let expected = format!("file 203.0.113.7 GET /? 200 512 {latency} NULL curl/8");
        assert_eq!(row(&format!("{start}{after}")), expected, "{after}");
    }
    let clf = format!(
        "203.0.113.7 - - {TIME} \"GET /x HTTP/1.1\" 200 480 \"\" \"\" 50535 265 \"fe~\" \"be\" \"srv1\" 0 0 0 191 191 ---- 45 45 3 1 0 0 0 \"\" \"\""
    );
    assert_eq!(row(&clf), "file 203.0.113.7 GET /x? 200 480 191 NULL NULL");
    // What is not read is said, and how to say what it is.
    let unread = read(
        "file.log",
        &format!("{start} 412 3791\n"),
        &IngestOptions::default(),
    );
    let reading = unread.summary.reading.unwrap();
    assert_eq!(reading.unread.len(), 2);
    assert!(reading.to_string().contains("`412`"), "{reading}");
    let paste = reading.said_as.unwrap();
    assert!(
        paste.ends_with("\"$http_user_agent\" $field_3 $field_4"),
        "{paste}"
    );
    let paste = paste.replace("$field_4", "$latency_us");
    assert_eq!(
        row_with(&format!("{start} 412 3791"), &said(&paste)),
        "file 203.0.113.7 GET /? 200 512 3.791 NULL curl/8"
    );
}

#[test]
fn whole_seconds_and_microseconds_agree_over_many_lines() {
    let line = |seconds: u64, micros: u64| {
        format!(
            "203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\" {seconds} {micros}\n"
        )
    };
    let text: String = (0..12).map(|n| line(n / 6, n * 170_000)).collect();
    let rows = read("file.log", &text, &IngestOptions::default()).rows;
    assert!(rows[3].contains(" 510 NULL curl/8"), "{}", rows[3]);
    // Without a second, nothing says that they do.
    let text: String = (0..12).map(|n| line(0, n * 17_000)).collect();
    let rows = read("file.log", &text, &IngestOptions::default()).rows;
    assert!(rows[3].contains(" NULL NULL curl/8"), "{}", rows[3]);
}

#[test]
fn fields_stand_where_servers_put_them() {
    let start = "203.0.113.7 - -";
    for (line, expected) in [
        (
            format!(
                "{start} {TIME} \"GET / HTTP/1.1\" 200 512 0.042 \"https://www.example.org/\" \"curl/8\""
            ),
            "file 203.0.113.7 GET /? 200 512 42 https://www.example.org/ curl/8",
        ),
        (
            format!(
                "{start} {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"www.example.com\" \"curl/8\""
            ),
            "www.example.com 203.0.113.7 GET /? 200 512 NULL NULL curl/8",
        ),
        (
            format!(
                "{start} {TIME} \"www.example.com\" \"GET /a HTTP/1.1\" 200 512 \"-\" \"curl/8\" 0.038"
            ),
            "www.example.com 203.0.113.7 GET /a? 200 512 38 NULL curl/8",
        ),
        (
            format!("{start} [04/Mar/2024 10:00:00] \"GET / HTTP/1.1\" 200 -"),
            "file 203.0.113.7 GET /? 200 NULL NULL NULL NULL",
        ),
        (
            format!("{start} {TIME} \"GET / HTTP/1.1\" 200"),
            "file 203.0.113.7 GET /? 200 NULL NULL NULL NULL",
        ),
        (
            format!("{start} {TIME} 18598 \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\""),
            PLAIN,
        ),
        (
            format!("{start} {TIME} HIT \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\""),
            PLAIN,
        ),
        (
            format!("203.0.113.7\t-\t-\t{TIME}\t\"GET / HTTP/1.1\"\t200\t512\t\"-\"\t\"curl/8\""),
            PLAIN,
        ),
        (
            format!(
                "{start} {TIME} \"GET / HTTP/1.1\" 200 512 \"curl/8\" \"https://www.example.org/\""
            ),
            "file 203.0.113.7 GET /? 200 512 NULL https://www.example.org/ curl/8",
        ),
    ] {
        assert_eq!(row(&line), expected, "{line}");
    }
}

#[test]
fn json_says_units_by_its_software() {
    for (line, expected) in [
        (
            r#"{"ClientAddr":"203.0.113.7:4711","ClientHost":"203.0.113.7","DownstreamContentSize":19,"DownstreamStatus":200,"Duration":2155389,"RequestHost":"www.example.com","RequestMethod":"GET","RequestPath":"/","RequestProtocol":"HTTP/1.1","request_User-Agent":"curl/8","request_Referer":"https://www.example.org/","time":"2024-03-04T10:00:00Z"}"#,
            "www.example.com 203.0.113.7 GET /? 200 19 2.155389 https://www.example.org/ curl/8",
        ),
        (
            r#"{"ts":1709546400.1,"request":{"client_ip":"203.0.113.7","proto":"HTTP/2.0","method":"GET","host":"www.example.com","uri":"/"},"duration":"1.335486ms","size":3609,"status":200}"#,
            "www.example.com 203.0.113.7 GET /? 200 3609 1.335486 NULL NULL",
        ),
        (
            r#"{"start_time":"2024-03-04T10:00:00.656Z","method":"GET","path":"/","protocol":"HTTP/1.1","response_code":200,"bytes_sent":358,"duration":15,"authority":"www.example.com","downstream_remote_address":"203.0.113.7:43612","user_agent":"curl/8"}"#,
            "www.example.com 203.0.113.7 GET /? 200 358 15 NULL curl/8",
        ),
        (
            r#"{"timestamp":"2024-03-04T10:00:00Z","uri":"/","status":200,"latency":"0.012345s"}"#,
            "file  ? 200 NULL 12.345 NULL NULL",
        ),
    ] {
        let expected = expected.replace("  ? ", "   /? ");
        assert_eq!(row(line), expected, "{line}");
    }
    let nginx = r#"{"time_iso8601":"2024-03-04T10:00:00+00:00","remote_addr":"203.0.113.7","request":"GET / HTTP/1.1","status":200}
{"time_iso8601":"2024-03-04T10:00:01+00:00","remote_addr":"203.0.113.8","request":"","status":400}
"#;
    assert_eq!(
        read("file.log", nginx, &IngestOptions::default()).rows,
        [
            "file 203.0.113.7 GET /? 200 NULL NULL NULL NULL",
            "file 203.0.113.8  ? 400 NULL NULL NULL NULL"
        ]
    );
}

#[test]
fn tables_of_text_are_read() {
    let csv =
        "time;client_ip;url;status;request_time\n2024-03-04 10:00:00;203.0.113.7;/a;200;0,042\n";
    assert_eq!(
        read("file.csv", csv, &IngestOptions::default()).rows,
        ["file 203.0.113.7  /a? 200 NULL 42 NULL NULL"]
    );
    let iis = "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2024-03-04 10:00:00\r\n#Fields: date time cs-method cs-uri-stem c-ip sc-status sc-win32-status time-taken\r\n2024-03-04 10:00:00 GET /a 203.0.113.7 200 0 42\r\n#Fields: date time cs-method cs-uri-stem cs-uri-query c-ip cs-host sc-status sc-win32-status time-taken\r\n2024-03-04 10:00:01 GET /b x=y 203.0.113.8 www.example.com 404 0 7\r\n";
    let read_iis = read("file.log", iis, &IngestOptions::default());
    assert_eq!(
        read_iis.rows,
        [
            "file 203.0.113.7 GET /a? 200 NULL 42 NULL NULL",
            "www.example.com 203.0.113.8 GET /b?x=y 404 NULL 7 NULL NULL"
        ]
    );
    assert_eq!((read_iis.summary.header, read_iis.summary.rejected), (5, 0));
}

#[test]
fn the_first_line_may_be_long() {
    let line = |path: &str| {
        format!("203.0.113.7 - - {TIME} \"GET {path} HTTP/1.1\" 200 512 \"-\" \"curl/8\"\n")
    };
    let text = line(&format!("/?q={}", "a".repeat(70_000))) + &line("/").repeat(20);
    assert_eq!(
        read("file.log", &text, &IngestOptions::default())
            .summary
            .rows,
        21
    );
}

#[test]
fn a_said_format_reads_what_no_guess_does() {
    let line = format!("203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\" 12");
    let format = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %T"#;
    assert_eq!(
        row_with(&line, &said(format)),
        "file 203.0.113.7 GET /? 200 512 12000 NULL curl/8"
    );
    // Lines of another format are set aside, and counted.
    let other = format!("{line}\n{line} more\n");
    let read = read("file.log", &other, &said(format));
    assert_eq!(read.summary.rejected, 1);
    assert_eq!(
        read.summary.reasons.keys().collect::<Vec<_>>(),
        ["line does not match the format"]
    );
}

#[test]
fn a_line_that_was_cut_is_whole_again_or_rejected() {
    let line = format!("203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\"");
    let (first, second) = line.split_at(60);
    let at = "2024-03-04T10:00:00.1Z";
    let text = format!(
        "{at} stdout P {first}\n{at} stderr P {first}\n{at} stdout F {second}\n{at} stderr F {second}\n\
         {at} stdout F {line}\n{at} stdout P {first}\n"
    );
    let cut = read("file.log", &text, &IngestOptions::default());
    assert_eq!(cut.rows, [PLAIN, PLAIN, PLAIN]);
    assert_eq!((cut.summary.lines, cut.summary.blank), (6, 2));
    assert_eq!(
        cut.summary.reasons.keys().collect::<Vec<_>>(),
        ["a piece of a line, whose end is not there"]
    );
    // Docker cuts lines, too, and says so by the end of a line.
    let long = line.replace("GET /", &format!("GET /{}", "a".repeat(20_000)));
    let (first, second) = long.split_at(16 << 10);
    let record = |text: &str, end: &str| {
        let text = text.replace('"', "\\\"");
        format!("{{\"log\":\"{text}{end}\",\"stream\":\"stdout\"}}\n")
    };
    let text = record(&line, "\\n") + &record(first, "") + &record(second, "\\n");
    let cut = read("file.log", &text, &IngestOptions::default());
    assert_eq!(cut.rows, [PLAIN]);
    assert_eq!(cut.summary.rejected, 2);
}

#[test]
fn what_a_collector_wrote_behind_a_line_is_taken_off() {
    let line = format!("203.0.113.7 - - {TIME} \"GET / HTTP/1.1\" 200 512 \"-\" \"curl/8\"");
    for (before, after) in [
        ("[0] tail.0: [1709546400.123, {\"log\"=>\"", "\"}]"),
        ("[3] tail.0: [[1709546400.12, {}], {\"log\"=>\"", "\"}]"),
        (
            "[0] tail.0: [1709546400.1, {\"log\"=>\"",
            "\", \"stream\"=>\"stdout\"}]",
        ),
    ] {
        assert_eq!(row(&format!("{before}{line}{after}")), PLAIN, "{before}");
    }
    // Under a key that is not known, nothing is read of it.
    let unknown = format!("{line}\n[0] a: [1.2, {{\"said\"=>\"{line}\"}}]\n");
    let read = read("file.log", &unknown, &IngestOptions::default());
    assert_eq!((read.rows.len(), read.summary.rejected), (1, 1));
}

#[test]
fn host_is_the_site_where_the_client_has_another_name() {
    let json = r#"{"ts":1709546400,"id.orig_h":"203.0.113.7","host":"www.example.com","uri":"/a","status_code":200,"method":"GET"}
{"ts":1709546401,"host":"www.example.com","uri":"/b","status_code":200,"method":"GET"}
"#;
    assert_eq!(
        read("file.log", json, &IngestOptions::default()).rows,
        [
            "www.example.com 203.0.113.7 GET /a? 200 NULL NULL NULL NULL",
            "www.example.com  GET /b? 200 NULL NULL NULL NULL"
        ]
    );
    let zeek = "#separator \\x09\n#path\thttp\n#fields\tts\tid.orig_h\tmethod\thost\turi\treferrer\tuser_agent\tresponse_body_len\tstatus_code\n\
        #types\ttime\taddr\tstring\tstring\tstring\tstring\tstring\tcount\tcount\n\
        1709546400.1\t203.0.113.7\tGET\twww.example.com\t/a?b\t-\tcurl/8\t512\t200\n\
        1709546400.2\t203.0.113.8\tGET\t-\t/\t-\t(empty)\t0\t404\n#close\t2024-03-04-11-00-00\n";
    let read_zeek = read("file.log", zeek, &IngestOptions::default());
    assert_eq!(
        read_zeek.rows,
        [
            "file 203.0.113.8 GET /? 404 0 NULL NULL NULL",
            "www.example.com 203.0.113.7 GET /a?b 200 512 NULL NULL curl/8"
        ]
    );
    assert_eq!(
        (read_zeek.summary.header, read_zeek.summary.rejected),
        (5, 0)
    );
    // Nothing says whose name it is.
    let alone = "time\thost\turl\tstatus\n1709546400\twww.example.com\t/a\t200\n";
    let options = |columns: &str| IngestOptions {
        columns: columns.parse().unwrap(),
        ..IngestOptions::default()
    };
    for (columns, start) in [
        ("", "file "),
        ("host=host", "www.example.com "),
        ("client_ip=host", "file www.example.com"),
    ] {
        let read = read("file.tsv", alone, &options(columns));
        let expected = format!("{start}  /a? 200 NULL NULL NULL NULL");
        assert_eq!(read.rows, [expected], "{columns}");
        let unread = read.summary.reading.unwrap().unread;
        assert_eq!(unread.is_empty(), !columns.is_empty(), "{columns}");
    }
}

#[test]
fn times_of_day_need_a_date() {
    let fields = "#Fields: time c-ip cs-method cs-uri-stem sc-status\n";
    let lines = "10:00:00 203.0.113.7 GET /a 200\n23:00:00 203.0.113.7 GET /b 200\n";
    let next_day = "00:10:00 203.0.113.7 GET /c 200\n";
    let text = format!("#Date: 2024-03-04 09:59:00\n{fields}{lines}{next_day}");
    let dated = read("file.log", &text, &IngestOptions::default());
    assert_eq!((dated.rows.len(), dated.summary.rejected), (2, 1));
    assert_eq!(
        dated.summary.first_timestamp.unwrap().to_string(),
        "2024-03-04T10:00:00Z"
    );
    let place = Place::new();
    let path = place.write("file.log", format!("{fields}{lines}"));
    let error = place.error(&path, &IngestOptions::default());
    assert!(
        error.starts_with("`file.log` has no field for `date`"),
        "{error}"
    );
    let local = format!(
        "#GMT-Offset: -0800\n#Fields: date {}2024-03-04 {lines}",
        fields.strip_prefix("#Fields: ").unwrap()
    );
    let local = read("file.log", &local, &IngestOptions::default());
    assert_eq!(local.summary.rows, 0);
    assert!(
        local
            .summary
            .reasons
            .contains_key("local time, by `#GMT-Offset`")
    );
}

#[test]
fn urls_in_the_place_of_paths_are_taken_apart() {
    let line =
        |request: &str| format!("203.0.113.7 - - {TIME} \"{request}\" 200 512 \"-\" \"curl/8\"\n");
    let url = line("GET http://Shop.example:80/a?b HTTP/1.1");
    let rest = "200 512 NULL NULL curl/8";
    for (text, first) in [
        (
            url.clone(),
            format!("shop.example 203.0.113.7 GET /a?b {rest}"),
        ),
        // Scanners name no sites.
        (
            url.clone() + &line("GET / HTTP/1.1").repeat(2),
            format!("file 203.0.113.7 GET /a?b {rest}"),
        ),
        (
            line("CONNECT shop.example:443 HTTP/1.1"),
            format!("file 203.0.113.7 CONNECT shop.example:443? {rest}"),
        ),
        (
            format!("www.example.com {url}"),
            format!("www.example.com 203.0.113.7 GET /a?b {rest}"),
        ),
    ] {
        let rows = read("file.log", &text, &IngestOptions::default()).rows;
        assert!(rows.contains(&first), "{text}{rows:?}");
    }
    assert_eq!(
        row_with(url.trim_end(), &said("combined")),
        format!("file 203.0.113.7 GET /a?b {rest}")
    );
    let proxy: String = (0..40)
        .map(|host| line(&format!("GET http://h{host}.example/a HTTP/1.1")))
        .collect();
    let proxy = read("file.log", &proxy, &IngestOptions::default());
    assert_eq!(proxy.summary.sites.len(), 1);
    let kept = format!("file 203.0.113.7 GET http://h7.example/a? {rest}");
    assert!(proxy.rows.contains(&kept), "{:?}", proxy.rows);
    assert_eq!(
        row(
            "1709546400.779    180 203.0.113.7 TCP_MISS/200 411 GET http://www.example.com/a?b - HIER_DIRECT/192.0.2.1 text/plain"
        ),
        "file 203.0.113.7 GET http://www.example.com/a?b 200 411 180 NULL NULL"
    );
}
