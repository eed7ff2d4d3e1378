"""The text that a resident or guardian signs before somebody is let in. A changed text is a new version; old ones are never edited.

The ledger keeps version and SHA-256 of what was signed. `{...}` is filled in on paper; the hash is of the text as it stands here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

VERSION = "2026-11-1"
TEXTS: Mapping[str, str] = {
    "zh": (
        "单独同意书\n"
        "本人（或监护人）同意：安心系统把下面勾选的内容展示给下面写明的这一个人，只用于让家人了解本人的日常情况。\n"
        "这些内容属于敏感个人信息。不同意不影响本人得到的照护。\n"
        "同意只在下面写明的日期之前有效。本人或监护人可以随时在护理站撤回，撤回后几秒内对方就看不到了；"
        "撤回之前已经看过的不受影响。\n"
        "每一次查看都有记录，本人可以随时向护理站询问谁看过。\n"
        "本系统不能代替急救电话，也不是医疗器械。"
    ),
    "en": (
        "Separate consent\n"
        "I (or my guardian) agree that Anxin shows what is ticked below to the one person who is named below, only so that my family "
        "knows how my days go.\n"
        "This is sensitive personal information. Not agreeing changes nothing about my care.\n"
        "The consent ends on the date below. My guardian or I can withdraw it at the care desk at any time; within seconds nothing can "
        "be seen any more. What was seen before is not affected.\n"
        "Every look is recorded, and I can ask the care desk at any time who looked.\n"
        "This system replaces no emergency call and is no medical device."
    ),
}


def sha256_of(lang: str) -> str:
    """Hash of the text in a language, as the ledger keeps it."""
    return hashlib.sha256(TEXTS[lang].encode("utf-8")).hexdigest()
