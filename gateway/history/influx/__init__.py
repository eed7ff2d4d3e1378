"""InfluxDB 2, InfluxDB 3 and VictoriaMetrics as a second history: line protocol, one synchronous write at a time, place after the 204."""

from gateway.history.influx.settings import Settings, build
from gateway.history.influx.sink import COMPONENTS, InfluxSink

__all__ = ["COMPONENTS", "InfluxSink", "Settings", "build"]
