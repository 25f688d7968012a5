"""Makes the Go provider with Debian's compiler and libraries, without a network, for the benchmarks only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / "build" / "provider"
PROGRAM = "terraform-provider-gemini"
_LIBRARIES = Path("/usr/share/gocode")
_PACKAGES = {
    "golang-go": "",
    "protobuf-compiler": "",
    "golang-goprotobuf-dev": "github.com/golang/protobuf",
    "golang-google-grpc-dev": "google.golang.org/grpc",
    "golang-github-hashicorp-go-plugin-dev": "github.com/hashicorp/go-plugin",
    "golang-github-zclconf-go-cty-dev": "github.com/zclconf/go-cty",
}
_COMMANDS = {"golang-go": "go", "protobuf-compiler": "protoc", "golang-goprotobuf-dev": "protoc-gen-go"}


def list_missing() -> list[str]:
    """Return what this machine lacks: Terraform, or packages of Debian by name."""
    missing = [] if shutil.which("terraform") else ["terraform"]
    for package, library in _PACKAGES.items():
        command = _COMMANDS.get(package)
        if (command and not shutil.which(command)) or not (_LIBRARIES / "src" / library).is_dir():
            missing.append(package)
    return missing


def build_provider() -> Path:
    """Build the provider, and return the folder it is in. Go compiles only what has changed."""
    BUILD.mkdir(parents=True, exist_ok=True)
    environ = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(_LIBRARIES),
        "GOCACHE": str(BUILD.parent / "go-cache"),
    }
    shutil.copy(HERE / "main.go", BUILD)
    generate = ["protoc", f"--proto_path={HERE}", f"--go_out=plugins=grpc:{BUILD}", "provider.proto"]
    for command in (generate, ["go", "build", "-buildvcs=false", "-o", PROGRAM, "."]):
        subprocess.run(command, cwd=BUILD, env=environ, check=True)
    return BUILD
