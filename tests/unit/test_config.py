"""Configuration: unknown keys are errors that name the key, defaults work without a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, load


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("langauge = 'zh'", "langauge"),
        ("[web]\nprot = 1", "web.prot"),
        ("[web]\nport = 70000", "web.port"),
        ("[mqtt]\nprotocol = '4'", "mqtt.protocol"),
        ("[web", "not valid TOML"),
        ("[ble]\nbackend = 'bumble'", "ble: Value error, adapters"),
        ("[ble]\nbackend = 'hci0'", "ble.backend"),
        ("[web]\ncertificate = 'server.pem'", "web: Value error, certificate and key"),
        ("[mqtt]\nkey = 'server.key'", "mqtt: Value error, certificate and key"),
        ("[watchdog]\nlimit_s = nan", "watchdog.limit_s"),
    ],
)
def test_a_wrong_file_names_its_fault(tmp_path: Path, text: str, names: str) -> None:
    (tmp_path / "anxin.toml").write_text(text)
    with pytest.raises(ConfigError, match=names.replace(".", r"\.")):
        load(tmp_path)


def test_values_are_read(tmp_path: Path) -> None:
    (tmp_path / "anxin.toml").write_text("language = 'en'\n[mqtt]\nembedded = false\nhost = 'broker.lan'\n")
    config = load(tmp_path)
    assert (config.language, config.mqtt.embedded, config.mqtt.host) == ("en", False, "broker.lan")


def test_paths_count_from_the_folder_of_the_file_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    pair = "certificate = 'certs/server.pem'\nkey = '/etc/anxin/server.key'\n"
    (home / "anxin.toml").write_text(
        f"[web]\n{pair}[mqtt]\n{pair}ca_file = '../ca.pem'\npassword_file = 'broker.secret'\n[backup]\nfolder = 'copies'\n"
    )
    monkeypatch.chdir(tmp_path)
    read = load(Path("home"))
    monkeypatch.chdir(elsewhere)
    assert load(Path("../home")).mqtt.certificate == elsewhere / "../home/certs/server.pem"
    for section in (read.web, read.mqtt):
        assert section.certificate == home / "certs" / "server.pem"
        assert section.key == Path("/etc/anxin/server.key")
    assert (read.mqtt.ca_file, read.mqtt.password_file) == (home / "../ca.pem", home / "broker.secret")
    assert read.backup.folder == home / "copies"
