"""The virtual machine: Debian's own kernel with the Bluetooth modules, this machine's own root read-only below a layer in memory.

Three serial lines lead out: the console, HCI to the simulated room, and one for commands to its devices.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86", "bluetoothctl": "bluez", "dbus-daemon": "dbus", "modprobe": "kmod",
    "busybox": "busybox-static", "cpio": "cpio", "apt-get": "apt", "dpkg-deb": "dpkg",
}  # fmt: skip
# drbg first: without it the kernel has no elliptic curves, hence no LE Secure Connections.
MODULES = (
    "drbg", "jitterentropy_rng", "sha512_generic", "ccm", "cmac", "ecb", "virtio_pci", "9pnet_virtio", "9p", "overlay", "hci_uart",
    "hci_vhci", "algif_hash", "algif_skcipher",
)  # fmt: skip
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose host /below
mount -t tmpfs layer /layer; mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/below,upperdir=/layer/upper,workdir=/layer/work root /root
for folder in proc sys dev; do mount --move /$folder /root/$folder; done
mount -t tmpfs run /root/run; mount -t tmpfs bonds /root/var/lib/bluetooth
exec switch_root /root /bin/bash $(sed -n 's/.*job=\\([^ ]*\\).*/\\1/p' /root/proc/cmdline)
"""
JOB = """export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1
ip link set lo up 2>/dev/null
mkdir -p /run/dbus /dev/shm; mount -t tmpfs shm /dev/shm; mount -t tmpfs tmp /tmp
dbus-daemon --system --fork --nopidfile
btattach -B /dev/ttyS1 -P h4 -S 115200 &
cd {root}
{python} -m tests.bluez_vm.guest {names}
echo "anxin-vm: code $?"
echo o > /proc/sysrq-trigger; sleep 5
"""


class MissingError(RuntimeError):
    """This machine cannot run the virtual machine; the text says what to install."""


@dataclass(frozen=True, slots=True)
class Image:
    """What QEMU boots."""

    kernel: Path
    initrd: Path


def _run(words: Sequence[str], folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"{' '.join(words[:3])} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def look_for_programs() -> None:
    """MissingError with the packages that are not here."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [package for program, package in PACKAGES.items() if shutil.which(program, path=path) is None]
    if missing:
        raise MissingError(f"not installed here: {', '.join(missing)}. As root: apt install --no-install-recommends {' '.join(missing)}")


def kernel_in(folder: Path) -> tuple[Path, str]:
    """Debian's current kernel package, unpacked (not installed): (its root, its version)."""
    root = folder / "kernel"
    found = sorted((root / "boot").glob("vmlinuz-*"))
    if not found:
        depends = _run(["apt-cache", "depends", "linux-image-amd64"], folder)
        names = [line.split()[-1] for line in depends.splitlines() if line.strip().startswith("Depends:")]
        if not names:
            raise MissingError("apt knows no linux-image-amd64: run apt-get update as root")
        _run(["apt-get", "download", names[0]], folder)
        package = next(folder.glob(f"{names[0]}_*.deb"))
        _run(["dpkg-deb", "-x", package.name, str(root)], folder)
        package.unlink()
        found = sorted((root / "boot").glob("vmlinuz-*"))
    version = found[0].name.removeprefix("vmlinuz-")
    if not (root / "lib/modules" / version / "modules.dep").exists():
        _run(["/usr/sbin/depmod", "-b", str(root), version], folder)
    return root, version


def image_in(folder: Path) -> Image:
    """Kernel and first root file system; made once in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    root, version = kernel_in(folder)
    kernel, initrd = root / "boot" / f"vmlinuz-{version}", folder / "initrd.gz"
    tree = folder / "initrd"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "modules", "proc", "sys", "dev", "below", "layer", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/usr/bin/busybox", tree / "bin" / "busybox")
    order: list[str] = []
    for module in MODULES:
        shown = _run(["/usr/sbin/modprobe", "-d", str(root), "-S", version, "--show-depends", module], folder)
        for line in shown.splitlines():
            path = Path(line.split()[1]) if line.startswith("insmod") else None
            if path is not None and path.name not in order:
                order.append(path.name)
                shutil.copy(path, tree / "modules" / path.name)
    (tree / "modules" / "order").write_text("\n".join(order) + "\n")
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))) + "\n"
    packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), capture_output=True, check=True)
    with initrd.open("wb") as out:
        subprocess.run(["gzip", "-1"], input=packed.stdout, stdout=out, check=True)
    return Image(kernel, initrd)


def command(image: Image, job: Path, hci_port: int, control_port: int, *, memory_mib: int = 1500) -> list[str]:
    """The command line of QEMU, in software: nested virtualisation of cloud machines often cannot boot Debian's kernel."""
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", str(memory_mib), "-smp", "2", "-nodefaults",
        "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio",
        "-chardev", f"socket,id=hci,host=127.0.0.1,port={hci_port}", "-serial", "chardev:hci",
        "-chardev", f"socket,id=control,host=127.0.0.1,port={control_port}", "-serial", "chardev:control",
        "-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", f"console=ttyS0 quiet panic=-1 job={job}",
        "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
    ]  # fmt: skip


async def boot(words: Sequence[str]) -> asyncio.subprocess.Process:
    """Start it; its console is the process's output."""
    return await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
