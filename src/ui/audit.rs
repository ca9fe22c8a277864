//! Who read and wrote which state: a person a paragraph, and what CloudTrail does not show.

use std::fmt::Write as _;
use std::io;

use jiff::Timestamp;

use super::Options;
use super::style::{BOLD, CYAN, DIM, YELLOW, age, count, wrap};
use crate::model::{AuditEvent, AuditRow, Caveat, Deed, Period, UnitId, Who, WhoKind};

/// So many units of one line are named.
const NAMED: usize = 3;

/// What `tfw audit` prints for people, as wide as stdout. Where not all was read, that nobody is
/// found says nothing.
pub fn audit(
    events: &[AuditEvent],
    caveats: &[Caveat],
    is_complete: bool,
    period: Period,
    now: Timestamp,
    options: Options,
) -> String {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
    // A pipe has no width, and some terminals say zero.
    let width = if columns > 0 {
        usize::from(columns)
    } else {
        usize::MAX
    };
    let text = lines(events, caveats, is_complete, period, now)
        .lines()
        .fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}", wrap(line, width, 4));
            text
        });
    if options.colour {
        text
    } else {
        anstream::adapter::strip_str(&text).to_string()
    }
}

/// The events as CSV with a header, as RFC 4180 has it. What is not known is empty.
pub fn audit_csv(rows: impl Iterator<Item = AuditRow>) -> String {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    // Also where there are no rows. Into memory, writing does not fail.
    let _ = writer.write_record(AuditRow::FIELDS);
    for row in rows {
        let _ = writer.write_record(row.cells().map(as_text));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A cell that a spreadsheet takes for text. Whoever reads a state chooses the name of the session
/// and of the program, and a formula runs on the machine of whoever opens the file (OWASP, "CSV
/// Injection").
fn as_text(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}

/// What one person did to the same states in the same way.
struct Deeds<'a> {
    deed: Deed,
    error: Option<&'a str>,
    units: &'a [UnitId],
    /// Of the states, where it is not the one of the unit.
    workspace: Option<&'a str>,
    named: Named,
    count: usize,
    /// The newest.
    last: &'a AuditEvent,
    runs: Vec<&'a str>,
}

/// What an event names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Object,
    Bucket,
    Nothing,
}

impl Named {
    fn of(event: &AuditEvent) -> Self {
        match event.resource.as_deref() {
            None => Self::Nothing,
            Some(arn) if arn.contains('/') => Self::Object,
            Some(_) => Self::Bucket,
        }
    }
}

/// What one person did.
struct Person<'a> {
    who: Option<&'a Who>,
    session: Session<'a>,
    deeds: Vec<Deeds<'a>>,
}

/// Of a role, the session tells people apart; one of tfw's is only one of many.
#[derive(PartialEq, Eq)]
enum Session<'a> {
    None,
    OfTfw,
    Named(&'a str),
}

/// The events by person, whoever came last first; the events stand the newest first.
fn persons(events: &[AuditEvent]) -> Vec<Person<'_>> {
    let mut persons: Vec<Person<'_>> = Vec::new();
    for event in events {
        let Some(deed) = Deed::of(&event.event) else {
            continue;
        };
        let who = event.who.as_ref();
        let session = match event.session.as_deref() {
            None => Session::None,
            Some(_) if event.run().is_some() => Session::OfTfw,
            Some(name) => Session::Named(name),
        };
        let known = persons
            .iter()
            .position(|each| each.who == who && each.session == session);
        let person = known.unwrap_or_else(|| {
            persons.push(Person {
                who,
                session,
                deeds: Vec::new(),
            });
            persons.len() - 1
        });
        let named = Named::of(event);
        let error = event.error.as_deref();
        let workspace = event.other_workspace();
        let deeds = &mut persons[person].deeds;
        let known = deeds.iter().position(|each| {
            each.deed == deed
                && each.error == error
                && each.units == event.units
                && each.workspace == workspace
                && each.named == named
        });
        let known = known.unwrap_or_else(|| {
            deeds.push(Deeds {
                deed,
                error,
                units: &event.units,
                workspace,
                named,
                count: 0,
                last: event,
                runs: Vec::new(),
            });
            deeds.len() - 1
        });
        deeds[known].count += 1;
        if let Some(run) = event.run()
            && !deeds[known].runs.contains(&run)
        {
            deeds[known].runs.push(run);
        }
    }
    persons
}

fn lines(
    events: &[AuditEvent],
    caveats: &[Caveat],
    is_complete: bool,
    period: Period,
    now: Timestamp,
) -> String {
    let mut text = String::new();
    let persons = persons(events);
    for person in &persons {
        let _ = writeln!(text, "{}", title(person));
        for deeds in &person.deeds {
            let _ = writeln!(text, "  {}", line(deeds, now));
        }
    }
    if !persons.is_empty() {
        text.push('\n');
    }
    let since = period.since.strftime("%Y-%m-%d %H:%M UTC");
    let until = if period.until < now {
        period
            .until
            .strftime(" until %Y-%m-%d %H:%M UTC")
            .to_string()
    } else {
        String::new()
    };
    let not_all = if is_complete {
        ""
    } else {
        "; not all of the history was read"
    };
    let _ = match persons.len() {
        0 if !is_complete => writeln!(
            text,
            "{BOLD}CloudTrail's history was not wholly read: who was at these states since {since}{until} is not known{BOLD:#}"
        ),
        0 => writeln!(
            text,
            "{BOLD}CloudTrail's history shows nobody at these states since {since}{until}{BOLD:#}"
        ),
        number => writeln!(
            text,
            "{BOLD}{} of {} since {since}{until}{not_all}{BOLD:#}",
            count(events.len(), "event"),
            count(number, "caller")
        ),
    };
    if !caveats.is_empty() {
        let _ = writeln!(text, "\nWhat CloudTrail does not show here:");
    }
    for caveat in caveats {
        let whose = if caveat.units.is_empty() {
            String::new()
        } else {
            format!("{}: ", names(&caveat.units))
        };
        let _ = writeln!(text, "{YELLOW}-{YELLOW:#} {whose}{}", caveat.message);
        if let Some(hint) = &caveat.hint {
            let _ = writeln!(text, "  {CYAN}hint{CYAN:#}: {hint}");
        }
    }
    text
}

/// `alice (user, account 111111111111)`, and the session of a role.
fn title(person: &Person<'_>) -> String {
    let mut text = match person.who {
        None => format!("{BOLD}somebody{BOLD:#}"),
        Some(who) => {
            let account = match (who.kind, &who.account) {
                (WhoKind::Account, _) | (_, None) => String::new(),
                (_, Some(account)) => format!(", account {account}"),
            };
            let kind = who.kind.word();
            format!("{BOLD}{}{BOLD:#} {DIM}({kind}{account}){DIM:#}", who.name)
        }
    };
    match person.session {
        Session::None => {}
        Session::OfTfw => text.push_str(", by tfw"),
        Session::Named(name) => {
            let _ = write!(text, ", session {name}");
        }
    }
    if let Some(source) = person.who.and_then(|who| who.source_identity.as_ref()) {
        let _ = write!(text, ", who is {source}");
    }
    if let Some(person) = person.who.and_then(|who| who.on_behalf_of.as_ref()) {
        let _ = write!(text, ", on behalf of {person}");
    }
    text
}

/// `12 reads of prod/eks, last 2 h ago from 10.0.0.1`.
fn line(deeds: &Deeds<'_>, now: Timestamp) -> String {
    let Deeds {
        deed,
        count: times,
        last,
        ..
    } = deeds;
    let how = match deeds.error {
        None => "",
        Some(_) if last.is_denied() => "denied ",
        Some(_) => "failed ",
    };
    let mut text = count(*times, &format!("{how}{}", deed.word()));
    let units = names(deeds.units);
    let _ = match (deeds.named, deeds.workspace) {
        (Named::Object, None) => write!(text, " of {units}"),
        (Named::Object, Some(workspace)) => {
            write!(text, " of the workspace `{workspace}` of {units}")
        }
        (Named::Bucket, _) => write!(text, " of a state in the bucket of {units}"),
        (Named::Nothing, _) if deeds.units.len() > 1 => {
            write!(text, " that may be of {units} (the key is shared)")
        }
        (Named::Nothing, _) => write!(text, " that may be of {units}"),
    };
    let _ = write!(text, ", last {}", age(last.time, now));
    if let Some(address) = &last.source_ip {
        let _ = write!(text, " from {address}");
    }
    if let Some(error) = deeds.error {
        let _ = write!(text, " ({error})");
    }
    if let Some(run) = deeds.runs.first() {
        let _ = match deeds.runs.len() {
            1 => write!(text, ", by run {run}"),
            runs => write!(text, ", by {runs} runs, the last {run}"),
        };
        if let Some(command) = &last.command {
            let _ = write!(text, " (`tfw {command}` of this folder)");
        }
    }
    text
}

fn names(units: &[UnitId]) -> String {
    let names: Vec<String> = units.iter().map(ToString::to_string).collect();
    match &names[..] {
        [named @ .., _] if named.len() >= NAMED => {
            let named = &names[..NAMED];
            format!("{} and {} more", named.join(", "), names.len() - NAMED)
        }
        all => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StateWorkspace;

    const RUN: &str = "20260102T110000Z-3f9a2c";

    fn event(time: &str, who: (WhoKind, &str), session: Option<&str>) -> AuditEvent {
        AuditEvent {
            time: time.parse().expect("a time"),
            units: vec!["prod/eks".parse().expect("a unit")],
            workspace: None,
            event: "Decrypt".to_owned(),
            who: Some(Who {
                kind: who.0,
                name: who.1.to_owned(),
                account: Some("111111111111".to_owned()),
                source_identity: None,
                on_behalf_of: None,
            }),
            session: session.map(str::to_owned),
            source_ip: None,
            user_agent: None,
            resource: Some("arn:aws:s3:::acme/eks/terraform.tfstate".to_owned()),
            error: None,
            command: None,
        }
    }

    fn estate() -> Vec<AuditEvent> {
        let alice = (WhoKind::User, "alice");
        let deploy = (WhoKind::Role, "Deploy");
        let session = format!("tfw-acme-{RUN}");
        let mut run = event("2026-01-02T11:00:30Z", deploy, Some(&session));
        run.command = Some("plan".to_owned());
        let mut write = event("2026-01-02T11:00:10Z", deploy, Some(&session));
        write.event = "GenerateDataKey".to_owned();
        let mut read = event("2026-01-02T10:00:00Z", alice, None);
        read.source_ip = Some("203.0.113.7".to_owned());
        read.event = "GetObject".to_owned();
        let older = AuditEvent {
            time: "2026-01-01T10:00:00Z".parse().expect("a time"),
            ..read.clone()
        };
        let mut bucket = event("2025-12-30T10:00:00Z", deploy, Some("bob@corp"));
        bucket.resource = Some("arn:aws:s3:::acme".to_owned());
        bucket.units = ["a", "b", "c", "d", "e"]
            .map(|unit| unit.parse().expect("a unit"))
            .to_vec();
        let mut denied = event("2025-12-29T10:00:00Z", (WhoKind::Account, "2"), None);
        denied.error = Some("AccessDenied".to_owned());
        let mut unknown = AuditEvent {
            resource: None,
            ..denied.clone()
        };
        unknown.units.push("dev".parse().expect("a unit"));
        let failed = AuditEvent {
            error: Some("DisabledException".to_owned()),
            ..denied.clone()
        };
        let own = StateWorkspace {
            name: "default".to_owned(),
            is_own: true,
        };
        let staging = StateWorkspace {
            name: "staging".to_owned(),
            is_own: false,
        };
        let mut other = event("2025-12-28T10:00:00Z", alice, None);
        read.workspace = Some(own);
        other.workspace = Some(staging);
        vec![
            run, write, read, older, bucket, denied, unknown, failed, other,
        ]
    }

    fn period() -> Period {
        Period {
            since: "2025-12-26T12:00:00Z".parse().expect("a time"),
            until: "2026-01-02T12:00:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn a_person_is_a_paragraph() {
        let caveats = [
            Caveat {
                units: vec!["dev".parse().expect("a unit")],
                message: "there are no Decrypt events".to_owned(),
                hint: Some("do something".to_owned()),
            },
            Caveat {
                units: Vec::new(),
                message: "the history goes back 90 days".to_owned(),
                hint: None,
            },
        ];
        let now = period().until;
        let text = lines(&estate(), &caveats, true, period(), now);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string(), @r"
        Deploy (role, account 111111111111), by tfw
          1 read of prod/eks, last 59 min ago, by run 20260102T110000Z-3f9a2c (`tfw plan` of this folder)
          1 write of prod/eks, last 59 min ago, by run 20260102T110000Z-3f9a2c
        alice (user, account 111111111111)
          2 reads of prod/eks, last 2 h ago from 203.0.113.7
          1 read of the workspace `staging` of prod/eks, last 5 d ago
        Deploy (role, account 111111111111), session bob@corp
          1 read of a state in the bucket of a, b, c and 2 more, last 3 d ago
        2 (account)
          1 denied read of prod/eks, last 4 d ago (AccessDenied)
          1 denied read that may be of prod/eks, dev (the key is shared), last 4 d ago (AccessDenied)
          1 failed read of prod/eks, last 4 d ago (DisabledException)

        9 events of 4 callers since 2025-12-26 12:00 UTC

        What CloudTrail does not show here:
        - dev: there are no Decrypt events
          hint: do something
        - the history goes back 90 days
        ");
        for (events, is_complete, told) in [
            (
                0,
                true,
                "CloudTrail's history shows nobody at these states since 2025-12-26 12:00 UTC\n",
            ),
            (
                0,
                false,
                "CloudTrail's history was not wholly read: who was at these states since 2025-12-26 12:00 UTC is not known\n",
            ),
            (
                1,
                false,
                "1 event of 1 caller since 2025-12-26 12:00 UTC; not all of the history was read\n",
            ),
        ] {
            let text = lines(&estate()[..events], &[], is_complete, period(), now);
            let text = anstream::adapter::strip_str(&text).to_string();
            assert!(text.ends_with(told), "{text}");
        }
    }

    #[test]
    fn csv_has_a_header_a_row_for_each_unit_and_quotes() {
        let mut odd = event("2026-01-02T11:00:00Z", (WhoKind::User, "a\"b"), Some("x,y"));
        odd.user_agent = Some("two\nlines".to_owned());
        odd.units.push("dev".parse().expect("a unit"));
        let text = audit_csv(odd.rows());
        let row = |unit| {
            format!(
                "2026-01-02T11:00:00Z,{unit},,Decrypt,\"user a\"\"b in account 111111111111\",\"x,y\",,\"two\nlines\",arn:aws:s3:::acme/eks/terraform.tfstate,\r\n"
            )
        };
        let header =
            "time,unit,workspace,event,who,session,source_ip,user_agent,resource,error\r\n";
        assert_eq!(text, format!("{header}{}{}", row("prod/eks"), row("dev")));
        assert_eq!(audit_csv(std::iter::empty()), header);
    }

    #[test]
    fn no_cell_of_the_csv_is_a_formula() {
        for begin in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            let session = format!("{begin}HYPERLINK(1)");
            let event = AuditEvent {
                user_agent: Some(format!("a{begin}b")),
                ..event("2026-01-02T11:00:00Z", (WhoKind::Role, "A"), Some(&session))
            };
            let text = audit_csv(event.rows());
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let row = reader.records().next().expect("a row").expect("CSV");
            assert_eq!(row.get(5), Some(format!("'{session}").as_str()), "{text}");
            assert_eq!(row.get(7), Some(format!("a{begin}b").as_str()), "{text}");
        }
    }
}
