"""`python -m tests.bluez_vm [scenario ...]`: boot, run the scenarios of `guest`, print what was seen.

The code is 0 when all passed, 2 when this machine cannot run it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from firmware_sim.ble.ward import BleWard
from tests.bluez_vm import machine
from tests.bluez_vm.plan import PLAN

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".make" / "bluez-vm"
LIMIT_S = 900.0


async def _talk(ward: BleWard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Commands from the machine's third serial line, a JSON object per line; whatever else comes is noise of the line."""
    while line := await reader.readline():
        try:
            reply = await ward.obey(json.loads(line))
        except (ValueError, KeyError) as error:
            reply = {"ok": False, "error": str(error)}
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()


async def _watch(console: asyncio.StreamReader, began_s: float) -> int:
    """Print what the machine says of the scenarios; its last word is the code."""
    code, tail = 1, [""] * 0
    while line := await console.readline():
        text = line.decode(errors="replace").rstrip()
        tail = [*tail[-30:], text]
        if text.startswith("anxin-vm: code"):
            code = int(text.rsplit(" ", 1)[1])
        elif text.startswith("vm| "):
            print(f"{time.monotonic() - began_s:6.1f} s  {text[4:]}", flush=True)
    if code:
        print("the console's last lines:", *tail, sep="\n  ")
    return code


def _write_job(folder: Path, names: list[str]) -> Path:
    folder.chmod(0o755)
    job = folder / "job.sh"
    job.write_text(machine.JOB.format(root=ROOT, python=sys.executable, names=" ".join(names)))
    return job


async def _run(names: list[str]) -> int:
    began_s = time.monotonic()
    image = machine.image_in(KEPT)
    print(f"{time.monotonic() - began_s:6.1f} s  kernel {image.kernel.name.removeprefix('vmlinuz-')} is ready", flush=True)
    ward = BleWard(PLAN)
    await ward.start("127.0.0.1")
    life = asyncio.ensure_future(ward.run())
    control = await asyncio.start_server(lambda reader, writer: _talk(ward, reader, writer), "127.0.0.1", 0)
    with tempfile.TemporaryDirectory(prefix="anxin-vm-") as folder:
        job = _write_job(Path(folder), names)
        port = int(control.sockets[0].getsockname()[1])
        process = await machine.boot(machine.command(image, job, ward.ports[PLAN["rooms"][0]["name"]], port))
        try:
            if process.stdout is None:
                raise RuntimeError("no console")
            return await asyncio.wait_for(_watch(process.stdout, began_s), LIMIT_S)
        except TimeoutError:
            print(f"not over within {LIMIT_S:.0f} s")
            return 1
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            control.close()
            await ward.close()


def main() -> int:
    """Run, or say what is missing."""
    try:
        machine.look_for_programs()
        return asyncio.run(_run(sys.argv[1:]))
    except machine.MissingError as error:
        print(f"cannot test against BlueZ here: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
