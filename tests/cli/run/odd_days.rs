//! Days that are not as others: none at all, half a day, a site that comes or goes, a clock that jumps.

use std::fmt::Write as _;
use std::ops::Range;

use super::Job;

/// A log of a site with one request a minute in some minutes of a day of March 2026.
///
/// A log is known by its bytes, so those of two sites must not be alike.
fn write_log(job: &Job, site: &str, day: u32, minutes: impl IntoIterator<Item = u32>) {
    let mut log = String::new();
    for minute in minutes {
        let (hour, minute) = (minute / 60, minute % 60);
        writeln!(
            log,
            "198.51.100.7 - - [{day:02}/Mar/2026:{hour:02}:{minute:02}:30 +0000] \"GET /{site} \
             HTTP/1.1\" 200 512"
        )
        .unwrap();
    }
    let folder = job.work.path().join("logs").join(site);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("access-2026-03-{day:02}.log")), log).unwrap();
}

/// A job over an empty folder of logs.
fn job() -> Job {
    let job = Job {
        work: crate::Workplace::new(),
    };
    std::fs::create_dir(job.work.path().join("logs")).unwrap();
    job.work.write("job.toml", "[[logs]]\npaths = [\"logs\"]\n");
    job
}

/// Per site and date: windows, those that a log covers, requests; and the same of the scores.
fn windows(job: &Job) -> String {
    let query = "SELECT w.site, CAST(w.window_start AS DATE) AS date, count(*) AS windows, \
                 count(*) FILTER (WHERE w.is_observed) AS observed, sum(w.requests) AS requests, \
                 count(s.status) AS scored \
                 FROM traffic_windows AS w \
                 LEFT JOIN scored_windows AS s ON w.site = s.site AND w.window_start = s.window_start \
                 GROUP BY 1, 2 ORDER BY 1, 2";
    job.work.succeed(&["sql", "--format", "csv", query])
}

const DAY: Range<u32> = 0..1_440;

#[test]
fn a_day_without_logs_is_not_a_day_without_traffic() {
    let job = job();
    for day in [2, 4] {
        write_log(&job, "shop", day, DAY);
        job.succeed();
    }
    insta::assert_snapshot!(windows(&job), @"
    site,date,windows,observed,requests,scored
    shop,2026-03-02,1440,1440,1440,1440
    shop,2026-03-03,1440,0,,1440
    shop,2026-03-04,1440,1440,1440,1440
    ");
    // It comes late.
    write_log(&job, "shop", 3, DAY);
    job.succeed();
    insta::assert_snapshot!(windows(&job), @"
    site,date,windows,observed,requests,scored
    shop,2026-03-02,1440,1440,1440,1440
    shop,2026-03-03,1440,1440,1440,1440
    shop,2026-03-04,1440,1440,1440,1440
    ");
    let in_order = job.tables();
    job.clear();
    for day in [2, 3, 4] {
        write_log(&job, "shop", day, DAY);
        job.succeed();
    }
    job.expect(&in_order, "in order");
}

#[test]
fn of_half_a_day_the_other_half_is_not_known() {
    let job = job();
    write_log(&job, "shop", 2, DAY);
    write_log(&job, "shop", 3, 0..720);
    job.succeed();
    insta::assert_snapshot!(windows(&job), @"
    site,date,windows,observed,requests,scored
    shop,2026-03-02,1440,1440,1440,1440
    shop,2026-03-03,720,720,720,720
    ");
    write_log(&job, "shop", 4, DAY);
    job.succeed();
    insta::assert_snapshot!(windows(&job), @"
    site,date,windows,observed,requests,scored
    shop,2026-03-02,1440,1440,1440,1440
    shop,2026-03-03,1440,720,720,1440
    shop,2026-03-04,1440,1440,1440,1440
    ");
}

#[test]
fn sites_come_and_go() {
    let job = job();
    for day in [2, 3, 4] {
        write_log(&job, "shop", day, DAY);
        // One begins on the third at noon, another ends then.
        match day {
            2 => write_log(&job, "gone", day, DAY),
            3 => {
                write_log(&job, "gone", day, 0..720);
                write_log(&job, "new", day, 720..1_440);
            }
            _ => write_log(&job, "new", day, DAY),
        }
        job.succeed();
    }
    insta::assert_snapshot!(windows(&job), @"
    site,date,windows,observed,requests,scored
    gone,2026-03-02,1440,1440,1440,1440
    gone,2026-03-03,1440,720,720,1440
    gone,2026-03-04,1440,0,,1440
    new,2026-03-03,720,720,720,720
    new,2026-03-04,1440,1440,1440,1440
    shop,2026-03-02,1440,1440,1440,1440
    shop,2026-03-03,1440,1440,1440,1440
    shop,2026-03-04,1440,1440,1440,1440
    ");
    let nights = job.tables();
    std::fs::remove_dir_all(job.work.path().join("warehouse")).unwrap();
    job.succeed();
    job.expect(&nights, "in one go");
}

#[test]
fn a_clock_that_jumps_counts_requests_when_they_say_they_were() {
    let job = job();
    // At 10:00 it is put back to 08:00, at 15:00 forward to 18:00.
    write_log(
        &job,
        "shop",
        2,
        (0..600).chain(480..900).chain(1_080..1_440),
    );
    job.succeed();
    let query = "SELECT requests, is_observed, count(*) AS windows, min(window_start) AS first \
                 FROM traffic_windows GROUP BY 1, 2 ORDER BY first";
    insta::assert_snapshot!(job.work.succeed(&["sql", "--format", "csv", query]), @"
    requests,is_observed,windows,first
    1,true,1140,2026-03-02T00:00:00Z
    2,true,120,2026-03-02T08:00:00Z
    0,true,180,2026-03-02T15:00:00Z
    ");
}

#[test]
fn a_run_says_how_far_its_last_date_is_from_the_week_before() {
    let job = job();
    write_log(&job, "shop", 2, DAY);
    job.succeed();
    write_log(&job, "shop", 9, (0..720).chain(0..720));
    job.succeed();
    // Twice as much in the half of the day that there is.
    let query = "SELECT last_scored_date, missing_share, volume_ratio \
                 FROM runs ORDER BY last_scored_date";
    insta::assert_snapshot!(job.work.succeed(&["sql", "--format", "csv", query]), @"
    last_scored_date,missing_share,volume_ratio
    2026-03-02T00:00:00Z,0.0,
    2026-03-09T00:00:00Z,0.0,2.0
    ");
}
