//! Emulators of AWS, each a child process on a free port of the loopback interface.
//!
//! An emulator ends with its owner, however that one ends: it reads a pipe that closes when this
//! process is gone, kill -9 included. It has its own process group, so that a Ctrl-C in the
//! terminal reaches the tests or the demo first.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tools::PythonPackages;

const READY_WITHIN: Duration = Duration::from_mins(1);

/// Ports that the parts of SeaweedFS talk to each other by.
const INNER_PORTS: usize = 9;

/// Ends the process when its standard input closes, then runs the emulator named by `argv[1]`.
const LAUNCHER: &str = "
import os, shutil, subprocess, sys, tempfile, threading
program = data = None
def end_with_owner():
    os.read(0, 1)
    if program:
        program.kill()
        program.wait()
        shutil.rmtree(data, ignore_errors=True)
    os._exit(0)
name, port = sys.argv[1:3]
if name == 'seaweedfs':
    weed, *others = sys.argv[3:]
    ports, options = others[:9], others[9:]
    with tempfile.TemporaryDirectory() as data:
        names = ['master.port', 'master.port.grpc', 'volume.port', 'volume.port.grpc',
                 'filer.port', 'filer.port.grpc', 's3.port.grpc', 'admin.port', 'admin.port.grpc']
        inner = [f'-{name}={port}' for name, port in zip(names, ports)]
        program = subprocess.Popen(
            [weed, 'mini', '-dir', data, '-ip', '127.0.0.1', '-ip.bind', '127.0.0.1',
             '-s3.port', port, '-s3.port.iceberg', '0', '-s3.port.lance', '0', '-webdav=false',
             '-admin.ui=false', '-volume.max', '10000', '-master.volumeSizeLimitMB', '64'] + inner + options,
            stdin=subprocess.DEVNULL)
        threading.Thread(target=end_with_owner, daemon=True).start()
        sys.exit(program.wait())
threading.Thread(target=end_with_owner, daemon=True).start()
if name == 'moto':
    from moto.server import main
    main(['-H', '127.0.0.1', '-p', port])
else:
    sys.argv[1:] = []
    from ministack.app import main
    main()
";

/// What can be started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// STS with several accounts, S3 with locks and versions, EC2, ECR, EKS, IAM, KMS.
    Moto,
    /// moto with the managed policies of AWS in every account, which takes it longer.
    MotoWithManagedPolicies,
    /// Enforces who owns a bucket, which moto does not, and has CloudTrail's event history.
    MiniStack,
    /// `MiniStack` that checks signatures and evaluates policies, of users and of buckets.
    MiniStackWithPolicies,
    /// S3 alone, by other people in another language.
    SeaweedFs,
    /// The same over TLS, which it knows of when it evaluates policies; without TLS it listens, too.
    SeaweedFsOverTls,
}

/// What `SeaweedFsOverTls` shows its clients, in PEM, in the folder of the logs.
pub(crate) const CERTIFICATE: &str = "seaweedfs.pem";

/// Over TLS, `SeaweedFS` lets in only whom it knows: `test`, with the secret `test`.
const IDENTITIES: &str = r#"{ "identities": [ { "name": "test",
    "credentials": [ { "accessKey": "test", "secretKey": "test" } ], "actions": ["Admin"] } ] }"#;

/// A running emulator; dropping it ends it.
pub(crate) struct Emulator {
    child: Child,
    url: String,
    /// The same server over TLS, where it has that.
    tls_url: Option<String>,
}

impl Emulator {
    /// Starts one and waits until it answers. Its output goes to a file in `logs`.
    pub(crate) fn start(kind: Kind, packages: &PythonPackages, logs: &Path) -> Result<Self> {
        // Somebody else may take the free port before the emulator does: try again then.
        let mut tries = 3;
        loop {
            let outcome = Self::start_on(free_port()?, kind, packages, logs);
            tries -= 1;
            if outcome.is_ok() || tries == 0 {
                return outcome;
            }
        }
    }

    /// Starts several at once, and waits until all answer.
    pub(crate) fn start_all<const N: usize>(
        kinds: [Kind; N],
        packages: &PythonPackages,
        logs: &Path,
    ) -> Result<[Self; N]> {
        let started: Result<Vec<Self>> = std::thread::scope(|scope| {
            let starts = kinds.map(|kind| scope.spawn(move || Self::start(kind, packages, logs)));
            let joined = starts.into_iter().map(|start| match start.join() {
                Ok(started) => started,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect()
        });
        started?
            .try_into()
            .map_err(|_| anyhow::anyhow!("an emulator is missing"))
    }

    fn start_on(port: u16, kind: Kind, packages: &PythonPackages, logs: &Path) -> Result<Self> {
        let name = kind.name();
        let log = logs.join(format!("{name}-{port}.log"));
        let output = File::create(&log)?;
        let mut command = packages.python();
        // Credentials and endpoints of whoever runs this are not for the emulator.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("AWS_") {
                command.env_remove(variable);
            }
        }
        if kind == Kind::MotoWithManagedPolicies {
            command.env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        }
        command.args(["-c", LAUNCHER, name, &port.to_string()]);
        if kind == Kind::MiniStackWithPolicies {
            command.env("AUTH", "true");
        }
        if kind == Kind::MiniStack {
            command.env("CLOUDTRAIL_RECORDING", "1");
        }
        let mut tls_url = None;
        if matches!(kind, Kind::SeaweedFs | Kind::SeaweedFsOverTls) {
            command.arg(packages.folder().join("bin/weed"));
            for _ in 0..INNER_PORTS {
                command.arg(free_port()?.to_string());
            }
        }
        if kind == Kind::SeaweedFsOverTls {
            let tls_port = free_port()?;
            command.args(tls_options(tls_port, logs)?);
            tls_url = Some(format!("https://127.0.0.1:{tls_port}"));
        }
        let child = command
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut emulator = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            tls_url,
        };
        emulator.wait_until_ready(name, port, &log)?;
        Ok(emulator)
    }

    fn wait_until_ready(&mut self, name: &str, port: u16, log: &PathBuf) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while !answers(port) {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!("{name} ended at once with {status}:\n{said}");
            }
            if Instant::now() > deadline {
                bail!(
                    "{name} did not answer within {} s, see `{}`",
                    READY_WITHIN.as_secs(),
                    log.display()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `https://127.0.0.1:PORT`; empty where it has no TLS.
    pub(crate) fn tls_url(&self) -> &str {
        self.tls_url.as_deref().unwrap_or_default()
    }
}

/// Options of `weed mini` for TLS, with a certificate of its own.
fn tls_options(port: u16, logs: &Path) -> Result<[String; 4]> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let certificate = logs.join(CERTIFICATE);
    let (key, identities) = (logs.join("seaweedfs.key"), logs.join("seaweedfs.json"));
    fs::write(&certificate, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    fs::write(&identities, IDENTITIES)?;
    Ok([
        format!("-s3.port.https={port}"),
        format!("-s3.cert.file={}", certificate.display()),
        format!("-s3.key.file={}", key.display()),
        format!("-s3.config={}", identities.display()),
    ])
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The launcher ends when its pipe closes, and takes what it has started along.
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Moto | Self::MotoWithManagedPolicies => "moto",
            Self::MiniStack | Self::MiniStackWithPolicies => "ministack",
            Self::SeaweedFs | Self::SeaweedFsOverTls => "seaweedfs",
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Whether an HTTP server answers, whatever it says.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut start = [0; 5];
    let asked =
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
            stream.read_exact(&mut start)
        });
    asked.is_ok() && &start == b"HTTP/"
}
