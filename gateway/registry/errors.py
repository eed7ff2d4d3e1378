"""Why a registry command was refused: a code for machines, parameters, and one sentence each in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

# code -> (zh, en); the sentence says what is wrong and what to do.
MESSAGES: Mapping[str, tuple[str, str]] = {
    "text.empty": ("{field}不能为空。请填写。", "{field} is empty. Fill it in."),
    "text.long": ("{field}超过 {limit} 个字符。请缩短。", "{field} has more than {limit} characters. Shorten it."),
    "text.control": ("{field}含有不可见的控制字符。请重新输入。", "{field} contains control characters. Type it again."),
    "second_factor.on": ("两步验证已经开启；请先关闭再重新设置。", "A second factor is set already; take it away first."),
    "second_factor.wrong": ("验证码不正确。请看最新的 6 位数字。", "The code is wrong. Take the newest 6 digits."),
    "terminal.revoked": ("这台终端已经停用。", "This terminal has been revoked already."),
    "word.unknown": ("{field}只能是：{allowed}。", "{field} must be one of: {allowed}."),
    "number.invalid": ("{field}必须是数字。", "{field} must be a number."),
    "date.invalid": ("{field}不是日期。请写成 1941-05-17。", "{field} is not a date. Write it like 1941-05-17."),
    "date.future": ("{field}晚于今天。请核对。", "{field} lies in the future. Check it."),
    "time.invalid": (
        "{field}不是时间。请写成 2026-11-02 22:00 或带时区的 ISO 8601。",
        "{field} is not a time. Write it like 2026-11-02 22:00, or ISO 8601 with an offset.",
    ),
    "time.future": ("{field}晚于现在。请填写已经发生的时间。", "{field} lies in the future. Give a time that has passed."),
    "time.order": ("{field}必须晚于开始时间。", "{field} must be after the start."),
    "time.before_last": (
        "{field}早于该住民上一次变动。请填写之后的时间。",
        "{field} is before the resident's last change. Give a later time.",
    ),
    "tz.unknown": (
        "时区“{value}”不存在。请用 IANA 名称，如 Asia/Shanghai。",
        "No such time zone: {value}. Use an IANA name such as Asia/Shanghai.",
    ),
    "code.taken": ("编号“{value}”已被使用。请换一个编号。", "The code {value} is taken. Choose another one."),
    "code.several": ("编号“{value}”在多个站点使用。请同时填写站点。", "Several sites use the code {value}. Give the site as well."),
    "id.invalid": (
        "{field}只能包含字母、数字、- 和 _，最多 64 个字符。",
        "{field} may contain letters, digits, - and _ only, at most 64 characters.",
    ),
    "not.found": ("找不到{field}“{value}”。请先建立，或核对编号。", "No such {field}: {value}. Create it first, or check the code."),
    "place.mismatch": ("{field}不属于该站点或区域。请核对位置。", "The {field} does not belong to that site or zone. Check the place."),
    "bed.occupied": (
        "床位 {bed} 上已有住民：{occupant}。请先移床或办理离院。",
        "Bed {bed} is taken by {occupant}. Move or discharge that person first.",
    ),
    "resident.status": ("该住民当前状态为“{status}”，不能这样操作。", "The resident is {status}; this is not possible then."),
    "resident.same": ("不能把一条记录合并到它自己。", "A record cannot be merged into itself."),
    "resident.not_present": ("该住民不在院（{status}）。请先办理入住。", "The resident is not here ({status}). Admit the person first."),
    "device.retired": ("设备 {device} 已停用。请先重新启用。", "Device {device} is retired. Activate it first."),
    "inbox.full": ("待分配设备已达 {limit} 台。请先处理待分配列表。", "The inbox holds {limit} devices. Clear it first."),
    "binding.target": ("请指定一位住民或一个位置。", "Name a resident or a place."),
    "binding.same": ("设备 {device} 已经绑定给该住民。无需重复绑定。", "Device {device} is bound to this resident already. Nothing to do."),
    "binding.overlap": (
        "设备 {device} 在这段时间内已有绑定（{start} 至 {end}）。请换一段时间，或使用“更正归属”。",
        "Device {device} is bound already from {start} to {end}. Choose another span, or use a correction.",
    ),
    "checkin.device": ("该设备不属于这个自助点。请核对设备。", "The device does not belong to this kiosk. Check the device."),
    "checkin.owned": (
        "设备 {device} 是某位住民专用的，不能签到使用。请先解除绑定。",
        "Device {device} is one resident's own; nobody checks in at it. End that binding first.",
    ),
    "assignment.superseded": (
        "这条测量之后又被更改过，不能再撤销这一次。请重新指定。",
        "These readings were changed again since; this step cannot be undone any more. Assign them anew.",
    ),
    "binding.ended": ("该绑定在该时刻已结束。", "The binding is over by then."),
    "undo.too_late": ("超过 24 小时不能撤销：请改为移动设备。", "Too late to undo after 24 hours: move the device instead."),
    "limit.hours": (
        "时段应写成两个不同的时刻，如 22:00 至 06:00，或都留空。",
        "Hours are two different times such as 22:00 and 06:00, or neither.",
    ),
    "limit.off": ("关闭的一侧不能再填限值；只能填 low、high 或 both。", "A side that is switched off has no limit; say low, high or both."),
    "limit.empty": ("请至少填写一个限值。", "Give at least one limit."),
    "limit.order": ("限值顺序应为：极低 ≤ 低 < 高 ≤ 极高。", "The order must be: extreme low <= low < high <= extreme high."),
    "limit.range": (
        "{field}超出该指标的合理范围（{low} 至 {high} {unit}）。",
        "{field} is outside what {quantity} can be ({low} to {high} {unit}).",
    ),
    "expiry.past": ("到期时间已过。请填写将来的时间。", "The expiry has passed. Give a time in the future."),
    "rota.invalid": ("排班无效：{reason}。", "The shift cannot be used: {reason}."),
    "override.same": ("替班人与被替人不能是同一人。", "Nobody takes the place of himself or herself."),
    "group.used": ("策略“{policy}”还在使用该小组。请先修改策略。", "The policy {policy} calls this group. Change the policy first."),
    "policy.invalid": ("策略无效：{reason}。", "The policy cannot be used: {reason}."),
    "consent.class": ("同意书不能包含“{value}”。", "Consent cannot open {value}."),
    "consent.grantee": ("只能授权给家属账户。", "Consent can be given to family accounts only."),
    "consent.emergency": ("紧急情况下的查看最多 {limit} 小时。", "An emergency lasts {limit} hours at most."),
    "consent.over": ("该同意已撤回。", "The consent is withdrawn already."),
    "login.taken": ("登录名“{value}”已被使用。请换一个。", "The login {value} is taken. Choose another one."),
    "password.weak": (
        "密码至少 {limit} 个字符，且不能太常见。",
        "The password needs {limit} characters or more and must not be a common one.",
    ),
    "password.wrong": ("原密码不正确。", "The old password is wrong."),
    "csv.encoding": (
        "文件既不是 UTF-8 也不是 GB18030。请另存为 UTF-8 CSV。",
        "The file is neither UTF-8 nor GB18030. Save it as CSV UTF-8.",
    ),
    "csv.size": ("文件超过 {limit}。请分成几个文件。", "The file is larger than {limit}. Split it."),
    "csv.format": ("这一行不是有效的 CSV：引号或列数不对。", "This line is not valid CSV: check quotes and the number of columns."),
    "csv.header": ("缺少列：{columns}。请在第一行加上。", "Missing columns: {columns}. Add them to the first line."),
    "csv.unknown_column": (
        "无法识别的列“{value}”。请删除或改名，可用的列：{columns}。",
        "Unknown column {value}. Remove or rename it; known: {columns}.",
    ),
    "csv.double_column": ("列“{value}”出现了两次。请删除一列。", "The column {value} appears twice. Remove one."),
    "csv.duplicate": ("与第 {line} 行的编号相同。请删除或改号。", "The same code as on line {line}. Remove the row or change the code."),
    "csv.double_file": ("与文件“{value}”是同一种内容。请合并为一个文件。", "The same kind of content as {value}. Put both into one file."),
    "csv.unknown_file": ("无法识别的文件。文件名应为：{names}。", "Not a file we know. File names are: {names}."),
    "csv.formula": (
        "以 = + - @ 开头的内容会被表格软件当作公式。请去掉该符号。",
        "Text that starts with = + - @ would run as a formula in a spreadsheet. Remove the sign.",
    ),
}


class RegistryError(ValueError):
    """A command that was refused; nothing was written."""

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(self.message("en"))

    @property
    def field(self) -> str | None:
        """The field at fault, where it is one field."""
        value = self.params.get("field")
        return None if value is None else str(value)

    def message(self, lang: str) -> str:
        """Sentence in `lang` ("zh" or "en")."""
        zh, en = MESSAGES[self.code]
        return (zh if lang == "zh" else en).format(**{"field": "", **self.params})


class NotFoundError(RegistryError, LookupError):
    """Something that the command names does not exist."""

    def __init__(self, field: str, value: str) -> None:
        RegistryError.__init__(self, "not.found", field=field, value=value)


class ConflictError(RegistryError):
    """The command contradicts what stands: an occupied bed, an overlapping binding, a taken code."""
