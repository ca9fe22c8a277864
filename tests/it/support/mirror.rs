//! A provider that is quick to install, packed as a registry sends it. It cannot be started.

use std::fs;
use std::process::Command;

use super::TestEnvironment;

/// Where Terraform keeps the provider `acme/tiny`, below `providers/` and in a plugin cache.
pub(crate) const TINY: &str = "registry.terraform.io/acme/tiny/1.0.0/linux_amd64";

impl TestEnvironment {
    /// Makes `acme/tiny` 1.0.0 the one provider that can be installed.
    pub(crate) fn tiny_provider(&self) {
        let mirror = self.home().join("mirror");
        let folder = mirror.join("registry.terraform.io/acme/tiny");
        fs::create_dir_all(&folder).unwrap();
        let pack = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('terraform-provider-tiny_v1.0.0', '')";
        let packed = Command::new("python3")
            .args(["-c", pack])
            .arg(folder.join("terraform-provider-tiny_1.0.0_linux_amd64.zip"))
            .status()
            .unwrap();
        assert!(packed.success());
        self.mirror(&mirror);
    }
}
