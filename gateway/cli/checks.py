"""What `anxin doctor` looks at: the machine, the folder, the ports, the broker's limits; each fault with its remedy."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from gateway.broker import BrokerError, find_binary
from gateway.cli.say import Voice
from gateway.config import Config, ConfigError, load
from gateway.control import ask, socket_path

MIN_FREE_BYTES = 1024**3
MIN_OPEN_FILES = 4096


def all_checks(voice: Voice) -> list[dict[str, Any]]:
    """Every check as {"check", "ok", "detail"}."""
    try:
        config = load(voice.data_dir)
    except ConfigError as error:
        return [_row(voice, "配置", "configuration", ok=False, zh=str(error), en=str(error))]
    rows = [_row(voice, "配置", "configuration", ok=True, zh="可用", en="usable"), *_machine(voice), *_folder(voice)]
    running = _running(voice)
    rows.extend(_broker(voice, config))
    if running is None:
        rows.extend(_ports(voice, config))
    rows.extend(_web(voice, config))
    rows.extend(_faults(voice, running))
    return rows


def _row(voice: Voice, zh_name: str, en_name: str, *, ok: bool, zh: str, en: str) -> dict[str, Any]:
    return {"check": voice.word(zh_name, en_name), "ok": ok, "detail": voice.word(zh, en)}


def _machine(voice: Voice) -> Iterator[dict[str, Any]]:
    yield _row(
        voice,
        "SQLite",
        "SQLite",
        ok=apsw.sqlitelibversion() >= "3.51.3",
        zh=f"apsw 自带 {apsw.sqlitelibversion()}",
        en=f"{apsw.sqlitelibversion()} inside apsw",
    )
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _row(
        voice,
        "打开文件数",
        "open files",
        ok=soft >= MIN_OPEN_FILES or soft == resource.RLIM_INFINITY,
        zh=f"上限 {soft}" + ("" if soft >= MIN_OPEN_FILES else f"，屏幕很多时请用 ulimit -n {MIN_OPEN_FILES}"),
        en=f"limit {soft}" + ("" if soft >= MIN_OPEN_FILES else f"; with many screens raise it: ulimit -n {MIN_OPEN_FILES}"),
    )
    yield _row(voice, "Python", "Python", ok=sys.version_info >= (3, 11), zh=sys.version.split()[0], en=sys.version.split()[0])


def _folder(voice: Voice) -> Iterator[dict[str, Any]]:
    folder = voice.data_dir
    near = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(near).free
    enough = free >= MIN_FREE_BYTES
    yield _row(
        voice,
        "磁盘",
        "disk",
        ok=enough,
        zh=f"剩余 {free // 2**20} MiB" + ("" if enough else "，请清理磁盘"),
        en=f"{free // 2**20} MiB free" + ("" if enough else "; make room, or readings will be refused"),
    )
    if not folder.exists():
        yield _row(
            voice,
            "数据文件夹",
            "data folder",
            ok=True,
            zh=f"{folder} 还不存在，首次启动时创建",
            en=f"{folder} will be made at the first start",
        )
        return
    loose = [path.name for path in _secrets(folder) if path.stat().st_mode & 0o077]
    remedy = f"chmod 600 {' '.join(loose)}" if loose else "0600"
    yield _row(voice, "私密文件", "private files", ok=not loose and os.access(folder, os.W_OK), zh=remedy, en=remedy)


def _secrets(folder: Path) -> list[Path]:
    return [path for path in (folder / "store.sqlite", folder / "keys" / "audit.key", folder / "demo" / "fleet.json") if path.exists()]


def _broker(voice: Voice, config: Config) -> Iterator[dict[str, Any]]:
    if not config.mqtt.embedded:
        yield _row(
            voice,
            "MQTT 代理",
            "MQTT broker",
            ok=True,
            zh=f"{config.mqtt.host}:{config.mqtt.port}；其 PUBACK 不代表已存盘，设备应等待 anxin/ack",
            en=f"{config.mqtt.host}:{config.mqtt.port}; its PUBACK is no proof of storage, devices should wait for anxin/ack",
        )
        return
    try:
        binary = find_binary()
    except BrokerError as error:
        yield _row(voice, "MQTT 代理", "MQTT broker", ok=False, zh=str(error), en=str(error))
        return
    yield _row(
        voice,
        "MQTT 代理",
        "MQTT broker",
        ok=binary.exists(),
        zh="内置 nats-server：MQTT 3.1.1，主题不能含空格；Zigbee2MQTT 等含空格的主题请改用 Mosquitto（[mqtt] embedded = false）",
        en="embedded nats-server: MQTT 3.1.1, no space in topics; for Zigbee2MQTT names use Mosquitto ([mqtt] embedded = false)",
    )


def _ports(voice: Voice, config: Config) -> Iterator[dict[str, Any]]:
    wanted = [("web", config.web.host, config.web.port)]
    if config.mqtt.embedded:
        wanted.append(("mqtt", config.mqtt.host, config.mqtt.port))
    for name, host, port in wanted:
        free = port == 0 or _is_free(host, port)
        yield _row(
            voice,
            f"端口 {name}",
            f"port {name}",
            ok=free,
            zh=f"{port} " + ("空闲" if free else f"被占用，请在 anxin.toml 的 [{name}] 里换一个"),
            en=f"{port} " + ("free" if free else f"in use: choose another one in [{name}] of anxin.toml"),
        )


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host or "127.0.0.1", port))
        except OSError:
            return False
    return True


def _web(voice: Voice, config: Config) -> Iterator[dict[str, Any]]:
    plain = config.web.certificate is None and not config.web.http_lan and config.web.host not in ("127.0.0.1", "localhost", "::1")
    yield _row(
        voice,
        "网页加密",
        "web encryption",
        ok=not plain,
        zh="未加密且对外监听：请设 [web] certificate，或在内网设 http_lan = true" if plain else "正常",
        en="listens to the network unencrypted: set [web] certificate, or http_lan = true inside a LAN" if plain else "in order",
    )


def _running(voice: Voice) -> dict[str, Any] | None:
    try:
        found = ask(socket_path(voice.data_dir), "status", {"lang": voice.lang})
    except (OSError, ValueError, RuntimeError):
        return None
    return found if isinstance(found, dict) else None


def _faults(voice: Voice, running: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if running is None:
        yield _row(voice, "网关", "gateway", ok=True, zh="没有运行", en="not running")
        return
    faults = running.get("faults", [])
    yield _row(voice, "网关", "gateway", ok=True, zh="正在运行", en="running")
    for fault in faults:
        text = f"{fault['code']} {fault['subject']} {fault.get('params') or ''}".strip()
        hint = ""
        if fault["code"] == "topic.space":
            hint = voice.word("：改主题名，或改用 Mosquitto", ": rename the topic, or use Mosquitto")
        yield _row(voice, "故障", "fault", ok=False, zh=text + hint, en=text + hint)
