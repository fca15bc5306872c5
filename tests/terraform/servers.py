"""Real servers for the backends, started for a test and stopped after it: PostgreSQL, and an S3 that moto serves."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path


def postgres_folder() -> Path | None:
    """Where PostgreSQL's programs are; None where it is not installed."""
    listed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(listed[-1]) if listed else shutil.which("initdb")
    return Path(found).parent if found else None


@contextlib.contextmanager
def postgres(programs: Path, folder: Path) -> Iterator[str]:
    """A server on a Unix socket in `folder`; yields the connection string of its database. It runs as nobody where we are root."""
    folder.chmod(0o777)
    for above in (folder, *folder.parents)[: len(folder.parents) - 1]:
        above.chmod(above.stat().st_mode | 0o111)
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []

    def run(*command: str) -> None:
        subprocess.run([*nobody, *command], check=True, capture_output=True, cwd="/", env={**os.environ, "HOME": str(folder)})

    run(str(programs / "initdb"), "-D", str(folder / "data"), "-U", "tf", "-A", "trust")
    options = f"-p 15432 -k {folder} -c listen_addresses='' -c fsync=off"
    run(str(programs / "pg_ctl"), "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", "-o", options, "start")
    try:
        run(str(programs / "createdb"), "-h", str(folder), "-p", "15432", "-U", "tf", "tfstate")
        yield f"postgres:///tfstate?host={folder}&port=15432&user=tf&sslmode=disable"
    finally:
        run(str(programs / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop")


@contextlib.contextmanager
def s3() -> Iterator[str]:
    """An S3 endpoint with the bucket `tfstate`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _put(f"{address}/tfstate", time.monotonic() + 30)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def _put(url: str, deadline: float) -> None:
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10).close()
            return
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
