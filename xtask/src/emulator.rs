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
    with tempfile.TemporaryDirectory() as data:
        ports = ['master.port', 'master.port.grpc', 'volume.port', 'volume.port.grpc',
                 'filer.port', 'filer.port.grpc', 's3.port.grpc', 'admin.port', 'admin.port.grpc']
        program = subprocess.Popen(
            [weed, 'mini', '-dir', data, '-ip', '127.0.0.1', '-ip.bind', '127.0.0.1',
             '-s3.port', port, '-s3.port.iceberg', '0', '-s3.port.lance', '0', '-webdav=false',
             '-admin.ui=false', '-volume.max', '10000', '-master.volumeSizeLimitMB', '64'] + [f'-{name}={other}' for name, other in zip(ports, others)],
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
    /// Enforces who owns a bucket, which moto does not.
    MiniStack,
    /// S3 alone, by other people in another language.
    SeaweedFs,
}

/// A running emulator; dropping it ends it.
pub(crate) struct Emulator {
    child: Child,
    url: String,
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

    fn start_on(port: u16, kind: Kind, packages: &PythonPackages, logs: &Path) -> Result<Self> {
        let name = kind.name();
        let log = logs.join(format!("{name}.log"));
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
        if kind == Kind::SeaweedFs {
            command.arg(packages.folder().join("bin/weed"));
            for _ in 0..INNER_PORTS {
                command.arg(free_port()?.to_string());
            }
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
            Self::MiniStack => "ministack",
            Self::SeaweedFs => "seaweedfs",
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
