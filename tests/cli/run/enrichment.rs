//! Functions over requests in series keys, further metrics and pseudonyms, night by night.

use serde_json::Value;

use crate::Workplace;

/// A workplace with a log of two requests and a job over it, with further lines in front and behind.
fn job(front: &str, behind: &str) -> Workplace {
    let work = Workplace::new();
    work.write(
        "shop.log",
        "192.0.2.7 - - [02/Mar/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 12 \"-\" \"curl/8.5.0\"\n\
         192.0.2.8 - - [02/Mar/2026:10:00:01 +0000] \"GET /b HTTP/1.1\" 200 12 \"-\" \"Acme/1.0\"\n",
    );
    work.write(
        "job.toml",
        format!("{front}\n[[logs]]\npaths = [\"shop.log\"]\n{behind}"),
    );
    work
}

/// The dates of windows that a run built.
fn built(work: &Workplace) -> usize {
    let summary = work.succeed(&["run", "--json"]);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    summary["windows_built"].as_array().unwrap().len()
}

fn windows(work: &Workplace, columns: &str) -> String {
    let query = format!("SELECT {columns} FROM traffic_windows ORDER BY site, window_start");
    work.succeed(&["sql", "--format", "csv", &query])
}

#[test]
fn windows_follow_the_files_that_their_key_reads() {
    let work = job(
        "",
        "[windows]\nseries_key = \"user_agent_class(user_agent)\"\n\
         [enrichment]\nuser_agents = \"agents.txt\"\n",
    );
    work.write("agents.txt", "crawler acme\n");
    assert_eq!((built(&work), built(&work)), (1, 0));
    assert_eq!(
        windows(&work, "site, requests"),
        "site,requests\ncrawler,1\ntool,1\n"
    );
    work.write("agents.txt", "scanner acme\n");
    assert_eq!((built(&work), built(&work)), (1, 0));
    assert_eq!(
        windows(&work, "site, requests"),
        "site,requests\nscanner,1\ntool,1\n"
    );
}

#[test]
fn further_metrics_come_and_go() {
    let work = job("", "");
    assert_eq!(built(&work), 1);
    let plain = work.files("warehouse/traffic_windows");
    let with = ["run", "--set", "windows.extra_metrics=[\"bot_requests\"]"];
    let scored = [&with[..], &["--set", "scores.metrics=[\"bot_requests\"]"]].concat();
    work.succeed(&scored);
    assert_eq!(
        windows(&work, "requests, bot_requests"),
        "requests,bot_requests\n2,1\n"
    );
    let columns = "SELECT bot_requests, anomaly_score IS NULL AS unscored FROM scored_windows";
    assert_eq!(
        work.succeed(&["sql", "--format", "csv", columns]),
        "bot_requests,unscored\n1,true\n"
    );
    assert_eq!(built(&work), 1);
    assert!(work.files("warehouse/traffic_windows") == plain);
}

#[cfg(unix)]
#[test]
fn a_job_goes_on_with_the_key_that_it_began_with() {
    use std::os::unix::fs::PermissionsExt;
    let work = job("pseudonymise = \"key\"", "");
    let write_key = |digit: &str| {
        work.write("key", digit.repeat(64));
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(work.path().join("key"), owner_only).unwrap();
    };
    write_key("1");
    assert_eq!(built(&work), 1);
    let clients = [
        "sql",
        "--format",
        "csv",
        "SELECT count(DISTINCT client_ip) AS clients,
        count(DISTINCT client_network(client_ip)) AS networks FROM access_logs
        WHERE client_ip NOT LIKE '192.0.2.%'",
    ];
    assert_eq!(work.succeed(&clients), "clients,networks\n2,1\n");
    write_key("2");
    let said = work.run(&["run"]);
    assert!(said.contains("would be pseudonyms of the key"), "{said}");
    work.write("job.toml", "[[logs]]\npaths = [\"shop.log\"]\n");
    let said = work.run(&["run"]);
    assert!(said.contains("would be as the logs have them"), "{said}");
    work.write(
        "job.toml",
        "pseudonymise = \"key\"\n[[logs]]\npaths = [\"a.parquet\"]\nformat = \"parquet\"\n",
    );
    insta::assert_snapshot!(work.run(&["run"]), @"
    --- stderr
    error: Parquet logs are read where they lie, with their addresses: `a.parquet` cannot be pseudonymised
    hint: leave them out, or pseudonymise them where they are written
    --- exit 1
    ");
}
