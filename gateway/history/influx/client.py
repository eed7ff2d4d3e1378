"""One synchronous write through influxdb-client, and what the answer means. Its own batching is not used: it drops what it cannot send."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from gateway.history.base import SinkDown

_PRECISION: Any = WritePrecision.NS  # a string by its value, a class by its annotation
REFUSED = frozenset({400, 413, 422})  # what was sent cannot be taken; everything else may pass


class Refused(Exception):
    """The server will never take this body as it is."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Door:
    """A bucket of one server."""

    def __init__(self, *, url: str, token: str, org: str, bucket: str, timeout_s: float, gzip: bool) -> None:
        self._bucket = bucket
        self._org = org
        # retries=False: redirects and errors come back to us, who decide
        self._client = InfluxDBClient(
            url=url, token=token or "-", org=org, timeout=round(timeout_s * 1000), enable_gzip=gzip, retries=False
        )
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    async def post(self, body: str, now_ns: int) -> None:
        """Write lines; returns after a 204, raises Refused or SinkDown."""
        try:
            await asyncio.to_thread(self._api.write, self._bucket, self._org, body, _PRECISION)
        except ApiException as error:
            status = int(error.status or 0)
            if status in REFUSED:
                raise Refused(status) from None
            raise SinkDown(f"status {status}", retry_after_s(_header(error), now_ns)) from None
        except (HTTPError, OSError) as error:
            raise SinkDown(type(error).__name__) from None

    def close(self) -> None:
        """Give the connections back."""
        self._api.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]


def _header(error: Any) -> str | None:
    headers = error.headers
    return None if headers is None else headers.get("Retry-After")


def retry_after_s(text: str | None, now_ns: int) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date."""
    if text is None:
        return None
    try:
        return max(0.0, float(int(text.strip())))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now_ns / 1e9, UTC)).total_seconds())
