"""Devices and certificates from the command line: who comes in, with what, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.authority import DEVICE_DAYS, Authority, CertificateError
from gateway.cli import watch
from gateway.cli.say import Voice
from gateway.cli.work import do
from gateway.clock import SystemClock
from gateway.config import ConfigError, load
from gateway.office_devices import shown

devices = typer.Typer(callback=watch.devices, invoke_without_command=True)
certs = typer.Typer(no_args_is_help=True, help="The house's certificates: init, show, renew, device. 证书。")
Device = Annotated[str, typer.Argument(help="Device id. 设备号。")]


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(devices, name="devices")
    app.add_typer(certs, name="certs")


@devices.command("list")
def devices_list(context: typer.Context) -> None:
    """列出设备及其凭据。 List devices with how they come in."""
    voice: Voice = context.obj
    columns = [
        ("device", "设备", "device"),
        ("model", "型号", "model"),
        ("status", "状态", "status"),
        ("resident", "住户", "resident"),
        ("token", "令牌", "token"),
        ("certificate_until", "证书到期", "certificate until"),
    ]
    empty = ("还没有设备。用 anxin devices enrol --new 添加。", "No devices yet. Add one with anxin devices enrol --new.")
    voice.table(do(voice, "devices.list"), columns, empty=empty)


@devices.command("enrol")
def devices_enrol(
    context: typer.Context,
    device: Device,
    minutes: Annotated[int, typer.Option(help="How long the code lives. 有效分钟数。", min=1, max=7 * 24 * 60)] = 15,
    new: Annotated[bool, typer.Option("--new", help="Enter the device if it is unknown. 设备不存在时先登记。")] = False,
) -> None:
    """发放一次性登记码。 Give a code with which the device fetches its token (and certificate) once."""
    voice: Voice = context.obj
    done = do(voice, "devices.enrol", device=device, valid_s=minutes * 60, new=new)
    code, path = done["code"], done["path"]
    voice.result(
        done,
        voice.word(
            f"登记码：{code}（{minutes} 分钟内有效，只能用一次）\n"
            f"1. 在设备上向本网关发送 POST {path}，请求头为 Authorization: Bearer {code}\n"
            '2. 若要证书，请求体为 {"csr": "<PEM 格式的签名请求>"}；私钥不离开设备\n'
            "3. 回答里有令牌、证书、CA 证书和可用主题；令牌只出现这一次，请存入设备",
            f"Code: {code} (for {minutes} minutes, for one use)\n"
            f"1. Let the device POST {path} at this gateway with the header Authorization: Bearer {code}\n"
            '2. For a certificate the body is {"csr": "<signing request, PEM>"}; the private key stays on the device\n'
            "3. The answer holds token, certificate, the CA's certificate and the topics; the token is shown this once",
        ),
    )


@devices.command("know")
def devices_know(
    context: typer.Context,
    device: Device,
    facts: Annotated[list[str], typer.Argument(help="name=value, e.g. ble_address=C0:11:22:33:44:55 bthome_key=...  名称=值。")],
    new: Annotated[bool, typer.Option("--new", help="Enter the device if it is unknown. 设备不存在时先登记。")] = False,
) -> None:
    """登记设备的已知信息（地址、密钥、特性）。 Enter what is known of a device: its address, key, habits (see CONTRIBUTING)."""
    voice: Voice = context.obj
    pairs = dict(fact.partition("=")[::2] for fact in facts)
    if not all("=" in fact for fact in facts):
        raise typer.BadParameter(voice.word("每项写作 名称=值", "each is written name=value"))
    done = do(voice, "devices.know", device=device, facts=pairs, new=new)
    known = ", ".join(done["known"])
    voice.result(done, voice.word(f"{device} 的已知信息：{known}", f"Known of {device}: {known}"))


@devices.command("revoke")
def devices_revoke(context: typer.Context, device: Device) -> None:
    """收回设备的全部凭据，立即生效。 Take a device's token and certificates away; its live session at the embedded broker ends at once."""
    voice: Voice = context.obj
    done = do(voice, "devices.revoke", device=device)
    more = voice.word(f"其他代理请重新读取 {done['crl']}。", f"Another broker must read {done['crl']} again.") if done["crl"] else ""
    taken = voice.word(f"{device} 的 {done['taken']} 项凭据已收回。", f"{done['taken']} credentials of {device} are revoked. ")
    voice.result(done, taken + more)


@certs.command("init")
def certs_init(
    context: typer.Context,
    host: Annotated[list[str], typer.Option(help="Host name or address under which this machine is reached; repeat it. 本机名称或地址。")],
) -> None:
    """建立本机构的 CA 并签发服务器证书。 Make the house's authority, and a server certificate for these names."""
    voice: Voice = context.obj
    house = _house(voice)
    try:
        made = house.make()
        certificate, key = house.server(host)
    except CertificateError as error:
        voice.fail(str(error))
    lines = f'certificate = "certs/{certificate.name}"\nkey = "certs/{key.name}"'
    voice.result(
        {"made": made, "ca": str(house.ca_file), "certificate": str(certificate), "key": str(key)},
        voice.word(
            f"CA：{house.ca_file}（{'新建' if made else '沿用'}）。把它装到手机、电脑和设备里。\n"
            f"写入 anxin.toml 的 \\[web] 和 \\[mqtt]，然后重新启动：\n{lines}\n"
            "只让有证书的设备接入：在 \\[mqtt] 里加 client_certificates = true",
            f"Authority: {house.ca_file} ({'new' if made else 'kept'}). Install it on phones, computers and devices.\n"
            f"Put this under \\[web] and \\[mqtt] in anxin.toml, then start again:\n{lines}\n"
            f"To let in devices with a certificate only, add client_certificates = true under \\[mqtt]",
        ),
    )


@certs.command("show")
def certs_show(context: typer.Context) -> None:
    """列出证书与到期日。 List certificates and when they end."""
    voice: Voice = context.obj
    rows: list[dict[str, Any]] = []
    for path in _paths(voice):
        try:
            rows.append(shown(path, SystemClock().now_ns()))
        except CertificateError as error:
            rows.append({"file": str(path), "subject": str(error), "until": None, "days": None})
    columns = [("file", "文件", "file"), ("subject", "对象", "subject"), ("until", "到期", "until"), ("days", "剩余天数", "days left")]
    voice.table(rows, columns, empty=("还没有证书。先运行 anxin certs init。", "No certificates yet. Run anxin certs init first."))


@certs.command("renew")
def certs_renew(
    context: typer.Context,
    ca: Annotated[bool, typer.Option("--ca", help="Also the authority itself, with its key. 同时续签 CA。")] = False,
) -> None:
    """续签服务器证书。 Renew the server certificate for the same names; a running gateway shows it within a minute."""
    voice: Voice = context.obj
    house = _house(voice)
    try:
        if ca:
            house.renew_root()
        certificate, _key = house.renew_server()
        row = shown(certificate, SystemClock().now_ns())
    except CertificateError as error:
        voice.fail(str(error))
    voice.result(row, voice.word(f"{certificate} 有效至 {row['until']}。", f"{certificate} is valid until {row['until']}."))


@certs.command("device")
def certs_device(
    context: typer.Context,
    device: Device,
    csr: Annotated[Path, typer.Option(help="Signing request of the device (PEM). 设备的签名请求。", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Where the certificate goes. 证书写到哪里。")],
    days: Annotated[int, typer.Option(help="Validity. 有效天数。", min=1, max=3650)] = DEVICE_DAYS,
) -> None:
    """为不能上网登记的设备签发证书。 Sign the request of a device that cannot enrol over HTTP."""
    voice: Voice = context.obj
    done = do(voice, "certs.device", device=device, csr=str(csr.resolve()), days=days)
    out.write_text(done.pop("certificate"), encoding="ascii")
    voice.result(done, voice.word(f"{out} 有效至 {done['until']}。", f"{out} is valid until {done['until']}."))


def _house(voice: Voice) -> Authority:
    return Authority(voice.data_dir / "certs", SystemClock())


def _paths(voice: Voice) -> Sequence[Path]:
    house = _house(voice)
    found = [house.ca_file, *sorted(house.folder.glob("*.pem"))]
    try:
        config = load(voice.data_dir)
    except ConfigError as error:
        voice.fail(str(error))
    found += [path for path in (config.web.certificate, config.mqtt.certificate, config.mqtt.ca_file) if path is not None]
    unique = dict.fromkeys(path.resolve() for path in found if path.exists() and path.name != "crl.pem")
    return list(unique)
