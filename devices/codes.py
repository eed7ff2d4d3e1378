"""The quantity table: the one code map of the product. A new quantity is one row at the END; rows are never moved or removed.

The journal and the history store the row's index, so an index is part of the disk format (tests/conformance/test_codes.py pins them).
Codes: MDC = 32-bit decimal of ISO/IEEE 11073-10101, DE = Chinese health data element (code system OID below). An empty code means that
none fits or none could be verified. `low`/`high` bound what a working sensor can show in the canonical unit (wide: outside of it the
message is a dead letter, inside of it limits and rules judge). `step` is the smallest difference that means something on a screen;
values are never rounded to it. `late_s`: a reading that arrives later than this after its measurement never raises or clears a live alert.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

DATA_ELEMENT_OID = "2.16.156.10011.2.2.1"
BP_PANEL_LOINC = "85354-9"
BP_PANEL_MDC = 150020
AGP_PANEL_LOINC = "107931-8"
TIR_PANEL_LOINC = "106793-3"
SPOT_MODALITY_MDC = (68193, 150588)  # component code and value: a spot oximeter reading


class Kind(StrEnum):
    """How a quantity comes in; DERIVED ones are calculated by us or entered by staff and never accepted from a device."""

    CONTINUOUS = "continuous"
    SPOT = "spot"
    EVENT = "event"
    STATUS = "status"
    WAVE = "wave"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One row: names, codes, canonical unit, plausible range and timing of a quantity."""

    index: int
    key: str
    zh: str
    en: str
    loinc: tuple[str, ...]  # all of them go into one record; right for the canonical unit
    ucum: str  # the canonical unit
    mdc: tuple[int, ...]  # first = usual; others = the same quantity by another method
    de: str | None
    low: float
    high: float
    step: float
    kind: Kind
    cadence_s: float | None  # expected interval; None where nobody can expect one
    late_s: float
    mdc_unit: int | None = None
    loinc_by_unit: tuple[tuple[str, str], ...] = ()  # (UCUM, LOINC) where another unit has another code


_Row = tuple[str, str, str, tuple[str, ...], str, tuple[int, ...], int | None, str | None, float, float, float, Kind, float | None, float]

_C, _S, _E, _T, _W, _D = Kind.CONTINUOUS, Kind.SPOT, Kind.EVENT, Kind.STATUS, Kind.WAVE, Kind.DERIVED
_DAY = 86_400.0

# key, zh, en, loinc, ucum, mdc, mdc_unit, de, low, high, step, kind, cadence_s, late_s
_ROWS: tuple[_Row, ...] = (
    # heart rate 0 is asystole on an ECG and respiration 0 is apnoea: both must reach the limits
    ("hr", "心率", "Heart rate", ("8867-4",), "/min", (147842,), 264864, "DE04.10.206.00", 0, 350, 1, _C, 60, 120),
    ("pulse", "脉率", "Pulse rate", ("8867-4",), "/min", (149530, 149546), 264864, "DE04.10.118.00", 15, 350, 1, _C, 60, 120),
    ("hrv_sdnn", "心率变异性 SDNN", "Heart rate variability SDNN", ("80404-7",), "ms", (), None, None, 0, 1000, 1, _S, None, 3600),
    ("spo2", "血氧饱和度", "Oxygen saturation", ("2708-6", "59408-5"), "%", (150456,), 262688, None, 20, 100, 1, _C, 60, 120),
    ("sbp", "收缩压", "Systolic blood pressure", ("8480-6",), "mm[Hg]", (150021,), 266016, "DE04.10.174.00", 30, 320, 1, _S, None, 900),
    ("dbp", "舒张压", "Diastolic blood pressure", ("8462-4",), "mm[Hg]", (150022,), 266016, "DE04.10.176.00", 10, 250, 1, _S, None, 900),
    ("map", "平均动脉压", "Mean arterial pressure", ("8478-0",), "mm[Hg]", (150023,), 266016, None, 15, 290, 1, _S, None, 900),
    ("temp", "体温", "Body temperature", ("8310-5",), "Cel", (150364, 150344), 268192, "DE04.10.186.00", 20, 46, 0.1, _S, None, 900),
    ("resp", "呼吸频率", "Respiratory rate", ("9279-1",), "/min", (151562,), 264928, "DE04.10.081.00", 0, 120, 1, _C, 60, 120),
    ("glucose", "血糖", "Capillary glucose", ("14743-9",), "mmol/L", (160184,), 266866, "DE04.50.102.00", 0.5, 50, 0.1, _S, None, 900),
    ("glucose_cgm", "连续血糖", "Sensor glucose (CGM)", ("105272-9",), "mmol/L", (160212,), 266866, None, 1, 40, 0.1, _C, 300, 900),
    ("weight", "体重", "Body weight", ("29463-7",), "kg", (188736,), 263875, "DE04.10.188.00", 2, 500, 0.1, _S, None, _DAY),
    ("steps", "步数", "Steps", ("55423-8",), "{steps}", (8454247,), 268800, None, 0, 200_000, 1, _T, 3600, _DAY),
    ("sleep_total", "总睡眠时长", "Sleep, total", ("93832-4",), "min", (8455148,), 264352, None, 0, 1440, 1, _S, None, 2 * _DAY),
    ("sleep_deep", "深睡时长", "Sleep, deep", ("93831-6",), "min", (), 264352, None, 0, 1440, 1, _S, None, 2 * _DAY),
    ("sleep_light", "浅睡时长", "Sleep, light", ("93830-8",), "min", (), 264352, None, 0, 1440, 1, _S, None, 2 * _DAY),
    ("sleep_rem", "快速眼动睡眠时长", "Sleep, REM", ("93829-0",), "min", (), 264352, None, 0, 1440, 1, _S, None, 2 * _DAY),
    ("battery", "电量", "Battery", (), "%", (67996,), 262688, None, 0, 100, 1, _T, 3600, 3600),
    ("bed_occupied", "在床", "Bed occupied", (), "1", (), None, None, 0, 1, 1, _T, 60, 120),
    ("motion", "活动", "Motion", (), "1", (8519687,), None, None, 0, 1, 1, _T, None, 120),
    ("door", "门开", "Door open", (), "1", (), None, None, 0, 1, 1, _T, None, 120),
    ("ecg", "心电波形", "ECG waveform", (), "mV", (), None, None, -100, 100, 0.001, _W, None, 120),
    ("acc", "加速度波形", "Acceleration waveform", (), "m/s2", (), None, None, -400, 400, 0.01, _W, None, 120),
    ("ppg", "光电容积脉搏波", "Photoplethysmogram", (), "1", (150452,), None, None, -1e9, 1e9, 1, _W, None, 120),
    ("rssi", "信号强度", "Signal strength", (), "{dBm}", (), None, None, -150, 30, 1, _T, None, 3600),
    ("call.sos", "紧急呼叫", "SOS call", (), "1", (8519682,), None, None, 1, 1, 1, _E, None, 60),
    ("call.fall", "跌倒呼叫", "Fall call", (), "1", (8519681,), None, None, 1, 1, 1, _E, None, 60),
    ("call.pull_cord", "拉绳呼叫", "Pull cord call", (), "1", (8519682,), None, None, 1, 1, 1, _E, None, 60),
    ("call.assist", "求助呼叫", "Assistance call", (), "1", (8519682,), None, None, 1, 1, 1, _E, None, 60),
    ("call.cancel", "取消呼叫", "Call cancelled by the wearer", (), "1", (), None, None, 1, 1, 1, _E, None, 60),
    ("bed_exit", "离床", "Bed exit", (), "1", (8519691,), None, None, 1, 1, 1, _E, None, 300),
    ("fall_detected", "检测到跌倒", "Fall detected", (), "1", (8519681,), None, None, 1, 1, 1, _E, None, 300),
    ("no_motion", "长时间无活动", "No motion", (), "1", (8519687,), None, None, 1, 1, 1, _E, None, 300),
    ("property_exit", "外出", "Left the premises", (), "1", (8519688,), None, None, 1, 1, 1, _E, None, 300),
    ("enuresis", "尿湿", "Enuresis", (), "1", (8519689,), None, None, 1, 1, 1, _E, None, 900),
    ("smoke", "烟雾报警", "Smoke alarm", (), "1", (8519683,), None, None, 1, 1, 1, _E, None, 300),
    ("co_alarm", "一氧化碳报警", "Carbon monoxide alarm", (), "1", (8519684,), None, None, 1, 1, 1, _E, None, 300),
    ("hr_resting", "静息心率", "Resting heart rate", ("40443-4",), "/min", (), 264864, None, 15, 250, 1, _S, None, _DAY),
    ("hr_max_24h", "24 小时最高心率", "Maximum heart rate in 24 h", ("8873-2",), "/min", (), 264864, None, 15, 350, 1, _S, None, _DAY),
    ("steps_24h", "24 小时步数", "Steps in 24 h", ("41950-7",), "{steps}", (8454247,), 268800, None, 0, 200_000, 1, _S, None, 2 * _DAY),
    ("height", "身高", "Body height", ("8302-2",), "cm", (188740,), 263441, "DE04.10.167.00", 30, 250, 0.1, _S, None, _DAY),
    # 1 before meal, 2 after meal, 3 fasting, 4 casual, 5 bedtime (numbers of the Bluetooth glucose profile; MEAL_MDC below)
    ("meal_context", "进餐情况", "Meal context", (), "1", (8417864,), None, None, 1, 5, 1, _S, None, 900),
    ("news2", "NEWS2 评分", "NEWS2 score", (), "{score}", (), None, None, 0, 20, 1, _D, None, 900),
    ("tir_very_low", "极低血糖时间占比", "Time very low", ("104642-4",), "%", (), 262688, None, 0, 100, 0.1, _D, None, _DAY),
    ("tir_low", "低血糖时间占比", "Time low", ("104641-6",), "%", (), 262688, None, 0, 100, 0.1, _D, None, _DAY),
    ("tir_in_range", "目标范围内时间占比", "Time in range", ("97510-2",), "%", (), 262688, None, 0, 100, 0.1, _D, None, _DAY),
    ("tir_high", "高血糖时间占比", "Time high", ("104640-8",), "%", (), 262688, None, 0, 100, 0.1, _D, None, _DAY),
    ("tir_very_high", "极高血糖时间占比", "Time very high", ("104639-0",), "%", (), 262688, None, 0, 100, 0.1, _D, None, _DAY),
    ("glucose_mean", "平均血糖", "Mean glucose", ("105273-7",), "mmol/L", (), 266866, None, 1, 40, 0.1, _D, None, _DAY),
    ("gmi", "血糖管理指标", "Glucose management indicator", ("97506-0",), "%", (), 262688, None, 3, 25, 0.1, _D, None, _DAY),
    ("glucose_cv", "血糖变异系数", "Glucose coefficient of variation", ("104638-2",), "%", (), 262688, None, 0, 200, 0.1, _D, None, _DAY),
    ("cgm_days", "监测天数", "Days of sensor glucose", ("104636-6",), "d", (), None, None, 0, 366, 1, _D, None, _DAY),
    ("cgm_active", "传感器使用率", "Sensor active", ("104637-4",), "%", (), 262688, None, 0, 100, 0.1, _D, None, _DAY),
    # all that the Bluetooth field can hold: a missed beat is for the analysis to find and must not cost the heart rate beside it; a sensor
    # leaves intervals out whenever it finds no beats, so nobody can expect them
    ("rr", "RR 间期", "RR interval", (), "ms", (147240,), 264338, None, 0, 64_000, 1, _T, None, 120),
    # of a cuff that fills: never a systolic pressure
    ("cuff_pressure", "袖带压", "Cuff pressure", (), "mm[Hg]", (), 266016, None, 0, 350, 1, _T, None, 120),
    # what a person ate or drank, as logged: keeps the forecast of low glucose quiet
    ("carbs", "碳水化合物摄入", "Carbohydrates eaten", (), "g", (), None, None, 0, 500, 1, _S, None, 900),
    ("pef", "呼气峰流量", "Peak expiratory flow", ("19935-6",), "L/min", (152584,), 265216, None, 10, 1000, 1, _S, None, 900),
    # of scales; what is estimated from impedance has no number of its own in LOINC that was verified, but for fat
    ("bmi", "体质指数", "Body mass index", ("39156-5",), "kg/m2", (188752,), 264099, None, 5, 120, 0.1, _S, None, _DAY),
    ("body_fat", "体脂率", "Body fat", ("41982-0",), "%", (188748,), 262688, None, 1, 80, 0.1, _S, None, _DAY),
    ("muscle_percentage", "肌肉率", "Muscle percentage", (), "%", (), 262688, None, 1, 90, 0.1, _S, None, _DAY),
    ("muscle_mass", "肌肉量", "Muscle mass", ("73964-9",), "kg", (), 263875, None, 1, 200, 0.1, _S, None, _DAY),
    ("fat_free_mass", "去脂体重", "Fat-free mass", (), "kg", (188756,), 263875, None, 1, 300, 0.1, _S, None, _DAY),
    ("soft_lean_mass", "软组织瘦体重", "Soft lean mass", (), "kg", (188760,), 263875, None, 1, 300, 0.1, _S, None, _DAY),
    ("body_water_mass", "体内水分", "Body water", (), "kg", (188764,), 263875, None, 1, 300, 0.1, _S, None, _DAY),
    ("basal_metabolism", "基础代谢", "Basal metabolism", (), "kJ", (), None, None, 1000, 20_000, 1, _S, None, _DAY),
    ("impedance", "生物电阻抗", "Body impedance", (), "Ohm", (), None, None, 50, 3000, 1, _S, None, _DAY),
    # what a broker, a hub or a last will says of a device: 0 is away
    ("online", "在线", "Online", (), "1", (), None, None, 0, 1, 1, _T, None, 3600),
    ("water_leak", "漏水", "Water leak", (), "1", (), None, None, 1, 1, 1, _E, None, 900),
    # of the room, never of a person
    ("room_temp", "室温", "Room temperature", (), "Cel", (), 268192, None, -40, 85, 0.1, _T, None, 3600),
    ("room_humidity", "室内湿度", "Room humidity", (), "%", (), 262688, None, 0, 100, 1, _T, None, 3600),
)

_OTHER_UNIT_LOINC = {
    "glucose": (("mg/dL", "41653-7"),),
    "glucose_cgm": (("mg/dL", "99504-3"),),
    "glucose_mean": (("mg/dL", "97507-8"),),
}

MEAL_MDC = MappingProxyType({1: 8417868, 2: 8417872, 3: 8417876})  # value of meal_context -> MDC


def _build(index: int, row: _Row) -> Quantity:
    key, zh, en, loinc, ucum, mdc, mdc_unit, de, low, high, step, kind, cadence_s, late_s = row
    return Quantity(
        index=index,
        key=key,
        zh=zh,
        en=en,
        loinc=loinc,
        ucum=ucum,
        mdc=mdc,
        de=de,
        low=float(low),
        high=float(high),
        step=step,
        kind=kind,
        cadence_s=cadence_s,
        late_s=late_s,
        mdc_unit=mdc_unit,
        loinc_by_unit=_OTHER_UNIT_LOINC.get(key, ()),
    )


QUANTITIES: tuple[Quantity, ...] = tuple(_build(index, row) for index, row in enumerate(_ROWS))
BY_KEY: MappingProxyType[str, Quantity] = MappingProxyType({row.key: row for row in QUANTITIES})


def quantity(key: str) -> Quantity:
    """The row of a key; KeyError for an unknown one."""
    return BY_KEY[key]
