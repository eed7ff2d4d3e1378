"""E-mail by SMTP; the Message-ID is made of the page's key, so that a repeated message is recognised as the same."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.errors import HeaderParseError
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from gateway.notify.base import DELIVERED, ChannelSettings, Outcome, Page, Verdict, render

_IMPORTANCE = {3: "high", 2: "normal", 1: "normal", 0: "low"}


class Settings(ChannelSettings):
    """A mail server; `security` none is for a relay on the same machine."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    ca_file: Path | None = None
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    to: str = Field(default="", pattern=r"^([^@\s]+@[^@\s]+)?$")  # where pages without an address of their own go


class Email:
    """Sends in threads of its own; smtplib blocks."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings: ChannelSettings = settings
        self._mail = settings
        self._threads = ThreadPoolExecutor(max_workers=settings.parallel, thread_name_prefix="email")

    async def notify(self, page: Page) -> Outcome:
        """Send in a thread; the socket's own timeout bounds it."""
        to = page.address or self._mail.to
        if not to:
            return Outcome(verdict=Verdict.REFUSED, reason="no_address")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, page, to)

    async def close(self) -> None:
        """Let threads end by themselves; each has a timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _message(self, page: Page, to: str) -> EmailMessage:
        title, text = render(page, self.settings.lang)
        message = EmailMessage()
        message["From"] = self._mail.sender
        message["To"] = to
        message["Subject"] = title
        message["Message-ID"] = f"<{page.key}@{self._mail.sender.rpartition('@')[2]}>"
        message["Importance"] = _IMPORTANCE[int(page.priority)]
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text or title)
        return message

    def _send(self, page: Page, to: str) -> Outcome:
        try:
            message = self._message(page, to)
        except (ValueError, HeaderParseError):
            return Outcome(verdict=Verdict.REFUSED, reason="invalid_address")
        try:
            with self._connect() as server:
                if self._mail.username and self._mail.password is not None:
                    server.login(self._mail.username, self._mail.password.get_secret_value())
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            return _by_codes([code for code, _ in error.recipients.values()])
        except smtplib.SMTPResponseException as error:
            return _by_codes([error.smtp_code])
        except TimeoutError:
            return Outcome(verdict=Verdict.RETRY, reason="timeout")
        except (smtplib.SMTPException, OSError) as error:
            return Outcome(verdict=Verdict.RETRY, reason=f"transport_{type(error).__name__}")
        return DELIVERED

    def _connect(self) -> smtplib.SMTP:
        mail = self._mail
        context = ssl.create_default_context(cafile=None if mail.ca_file is None else str(mail.ca_file))
        if mail.security == "tls":
            return smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout_s, context=context)
        server = smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_s)
        if mail.security == "starttls":
            try:
                server.starttls(context=context)
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server


def _by_codes(codes: list[int]) -> Outcome:
    """SMTP: 4yz is worth another try, 5yz is final; 535 (credentials) may be repaired and is tried again."""
    final = bool(codes) and all(500 <= code < 600 and code != 535 for code in codes)
    code = codes[0] if codes else 0
    return Outcome(verdict=Verdict.REFUSED if final else Verdict.RETRY, reason=f"smtp_{code}")


def build(name: str, settings: Settings) -> Email:
    """A channel of this kind."""
    return Email(name, settings)
