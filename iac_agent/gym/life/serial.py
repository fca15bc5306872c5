"""What a machine writes on its serial console while it boots, well or not, and what its screen shows.

The kernel's and systemd's own messages are theirs; the rest is what an Ubuntu image on Azure prints in outline.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta

from iac_agent.gym.life.history import Boot, Machine

AILMENTS = ("kernel-panic", "full-disk", "fstab", "cloud-init")
_START = [
    (0.0, "Linux version 6.8.0-1018-azure (buildd@lcy02-amd64-091) #21-Ubuntu SMP"),
    (0.0, "Command line: BOOT_IMAGE=/boot/vmlinuz-6.8.0-1018-azure root=PARTUUID=2b8f4c3e ro console=tty1 console=ttyS0 earlyprintk=ttyS0"),
    (0.0, "Hypervisor detected: Microsoft Hyper-V"),
    (0.4, "hv_vmbus: Vmbus version:5.3"),
    (1.1, "hv_netvsc: VF slot 1 added"),
    (1.6, "sd 0:0:0:0: [sda] Attached SCSI disk"),
]
_MOUNTED = [
    (2.3, "EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none."),
    (2.9, "systemd[1]: Hostname set to <{host}>."),
    (3.4, "systemd[1]: Reached target local-fs-pre.target - Preparation for Local File Systems."),
]
_WELL = [
    (4.8, "cloud-init[612]: Cloud-init v. 24.4 running 'init' at {time}. Up 4.81 seconds."),
    (6.2, "cloud-init[701]: Cloud-init v. 24.4 finished at {time}. Datasource DataSourceAzure [seed=/dev/sr0]. Up 6.20 seconds"),
    (6.4, "systemd[1]: Started walinuxagent.service - Azure Linux Agent."),
    (6.9, "systemd[1]: Reached target multi-user.target - Multi-User System."),
]
_ENDS = {
    "": [*_MOUNTED, *_WELL],
    "kernel-panic": [
        (2.2, 'VFS: Cannot open root device "PARTUUID=2b8f4c3e" or unknown-block(0,0): error -6'),
        (2.2, 'Please append a correct "root=" boot option; here are the available partitions:'),
        (2.3, "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
        (2.3, "CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.8.0-1018-azure #21-Ubuntu"),
        (2.3, "Hardware name: Microsoft Corporation Virtual Machine/Virtual Machine, BIOS Hyper-V UEFI Release v4.1"),
        (2.4, "---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---"),
    ],
    "full-disk": [
        *_MOUNTED,
        (5.1, "systemd-journald[318]: Failed to open system journal: No space left on device"),
        (5.6, "cloud-init[612]: OSError: [Errno 28] No space left on device: '/var/lib/cloud/instance'"),
        (6.0, "systemd[1]: Failed to start walinuxagent.service - Azure Linux Agent."),
        (6.1, "systemd[1]: ssh.service: Failed with result 'exit-code'."),
        (6.3, "rsyslogd: file '/var/log/syslog' write error: No space left on device"),
    ],
    "fstab": [
        *_MOUNTED,
        (93.4, "systemd[1]: dev-disk-by\\x2duuid-9d1f0c77.device: Job dev-disk-by\\x2duuid-9d1f0c77.device/start timed out."),
        (93.4, "systemd[1]: Timed out waiting for device dev-disk-by\\x2duuid-9d1f0c77.device - /dev/disk/by-uuid/9d1f0c77."),
        (93.5, "systemd[1]: Dependency failed for data.mount - /data."),
        (93.5, "systemd[1]: Dependency failed for local-fs.target - Local File Systems."),
        (93.8, 'You are in emergency mode. After logging in, type "journalctl -xb" to view system logs.'),
        (93.8, "Press Enter for maintenance (or press Control-D to continue):"),
    ],
    "cloud-init": [
        *_MOUNTED,
        (4.8, "cloud-init[612]: Cloud-init v. 24.4 running 'modules:config' at {time}. Up 4.81 seconds."),
        (5.3, 'cloud-init[612]: Failed loading yaml blob. Invalid format at line 4 column 3: "while parsing a block mapping"'),
        (5.4, "cloud-init[612]: schema.py[WARNING]: cloud-config failed schema validation!"),
        (5.9, "cloud-init[612]: failed run of stage modules-config"),
        (6.0, "systemd[1]: cloud-config.service: Main process exited, code=exited, status=1/FAILURE"),
        (6.1, "systemd[1]: Failed to start cloud-config.service - Cloud-init: Config Stage."),
    ],
}


def log(machine: Machine) -> str:
    """The whole serial log: every boot, one after the other."""
    return "".join(_boot(machine, b) for b in machine.boots)


def _boot(machine: Machine, boot: Boot) -> str:
    host = _host(machine)
    lines = _lines(boot)
    out = [f"[{seconds:12.6f}] {text}" for (seconds, _), text in zip(lines, messages(machine, boot), strict=True)]
    if not boot.ails:
        out += ["", f"Ubuntu 24.04.3 LTS {host} ttyS0", "", f"{host} login: "]
    return "\n".join([f"--- boot {boot.at:%Y-%m-%dT%H:%M:%SZ} ---", *out]) + "\n"


def messages(machine: Machine, boot: Boot) -> list[str]:
    """What one boot writes, without the kernel's time stamps."""
    host = _host(machine)
    return [text.replace("{host}", host).replace("{time}", _stamp(boot.at, seconds)) for seconds, text in _lines(boot)]


def _lines(boot: Boot) -> list[tuple[float, str]]:
    lines = [*_START, *_ENDS[boot.ails]]
    return [*lines, (lines[-1][0], boot.text)] if boot.text else lines


def _host(machine: Machine) -> str:
    return str((machine.resource.properties.get("osProfile") or {}).get("computerName") or machine.resource.body["name"])


def _stamp(at: datetime, seconds: float) -> str:
    return f"{at + timedelta(seconds=seconds):%a, %d %b %Y %H:%M:%S +0000}"


def screenshot(machine: Machine, form: str) -> bytes:
    """A picture of the console's last lines, as `PNG` or `BMP`."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (1024, 400), "black")
    pen = ImageDraw.Draw(picture)
    for row, line in enumerate(log(machine).splitlines()[-24:]):
        pen.text((8, 8 + row * 16), line[:150], fill="white")
    out = io.BytesIO()
    picture.save(out, form)
    return out.getvalue()
