"""A room's radio: one link, the peripherals on it, and dongles that a gateway plugs in, in process or through HCI over a socket."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink, StreamPacketSink, StreamPacketSource

from firmware_sim.clock import nap

PERIPHERALS_PER_LINK = 10  # every advert goes to every controller of a link: the cost grows with the square
UNREAD_BYTES = 4 << 20  # a gateway that does not read loses its dongle
NO_ANSWER_S = 0.05
LOST = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
NOT_ESTABLISHED = hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR


def random_address(rng: random.Random) -> str:
    """A random static address (its two upper bits are set)."""
    octets = [rng.randrange(256) for _ in range(6)]
    octets[0] |= 0xC0
    return ":".join(f"{octet:02X}" for octet in octets)


class SimController(Controller):
    """Bumble's controller with what a real one does besides: cancelling a connection, resetting, failing to establish one."""

    refusals = 0  # so many incoming connections fail to be established

    def __init__(self, name: str, link: LocalLink, **more: Any) -> None:
        super().__init__(name, link=link, **more)
        masked = hci.LeFeatureMask
        # Linux would send commands of these that the controller does not know.
        self.le_features &= ~(masked.LE_EXTENDED_ADVERTISING | masked.LE_PERIODIC_ADVERTISING | masked.LL_PRIVACY)

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """End the pending attempt with the event that a real controller sends; nothing pending is an error."""
        del command
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        event = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, connection_handle=0, role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type, peer_address=pending.peer_address, connection_interval=0,
            peripheral_latency=0, supervision_timeout=0, central_clock_accuracy=0,
        )  # fmt: skip
        asyncio.get_running_loop().call_soon(self.send_hci_packet, event)  # after the command's completion
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_reset_command(self, command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        """Forget everything: links, scan, pending connection."""
        self.hang_up()
        return super().on_hci_reset_command(command)

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        """Refuse for a test, or because advertising ended meanwhile: the initiator learns that nothing was established."""
        mine = self.le_legacy_advertiser.address == packet.advertiser_address
        if mine and (self.refusals > 0 or not self.le_legacy_advertiser.enabled):
            self.refusals = max(0, self.refusals - 1)
            self._job = asyncio.ensure_future(self._give_up(packet))
            return
        super().on_le_connect_ind(packet)

    async def _give_up(self, packet: ll.ConnectInd) -> None:
        """An initiator learns after some connection intervals that nobody is there."""
        await nap(NO_ANSWER_S)
        if self.link.find_le_controller(packet.initiator_address) is not None:
            self.link.send_ll_control_pdu(packet.advertiser_address, packet.initiator_address, ll.TerminateInd(NOT_ESTABLISHED))

    def hang_up(self) -> None:
        """Drop every link without a word to the own host, as a power cut does; peers see a timeout."""
        self.pending_le_connection = None
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()
        for connection in list(self.le_connections.values()):
            self._lose(connection)

    def lose_links(self) -> int:
        """Both sides lose the connection, as when somebody walks out of range; says how many there were."""
        connections = list(self.le_connections.values())
        for connection in connections:
            handle = connection.handle
            self._lose(connection)
            event = hci.HCI_Disconnection_Complete_Event(status=hci.HCI_ErrorCode.SUCCESS, connection_handle=handle, reason=LOST)
            self.send_hci_packet(event)
        return len(connections)

    def _lose(self, connection: Connection) -> None:
        del self.le_connections[connection.peer_address]
        if self.link.find_le_controller(connection.peer_address) is not None:
            connection.send_ll_control_pdu(ll.TerminateInd(LOST))


class Air(LocalLink):
    """Bumble's link, in which a connection keeps the address that it was made with, as Linux rotates its own with each scan."""

    def send_acl_data(
        self, sender_controller: Controller, destination_address: hci.Address, transport: PhysicalTransport, data: bytes
    ) -> None:
        """Deliver a packet under the sender's address of that connection."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if transport != PhysicalTransport.LE or connection is None or receiver is None:
            super().send_acl_data(sender_controller, destination_address, transport, data)
            return
        asyncio.get_running_loop().call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)


class _Socket(StreamPacketSource):
    """One HCI client of a room: its dongle lives as long as the connection."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room
        self._controller: SimController | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Plug a dongle in."""
        if not isinstance(transport, asyncio.WriteTransport):
            raise TypeError("HCI needs a stream")
        transport.set_write_buffer_limits(high=UNREAD_BYTES)
        self._transport = transport
        sink = StreamPacketSink(transport)
        self._controller = SimController(f"{self._room.name}-dongle", self._room.link, host_source=self, host_sink=sink)
        self._room.sockets.add(transport)

    def pause_writing(self) -> None:
        """The other side has stopped reading."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pull the dongle out: whatever was connected through it is lost."""
        del exc
        if self._controller is not None:
            self._room.sockets.discard(self._transport)
            self._controller.hang_up()
            self._room.link.remove_controller(self._controller)
            self._controller.hci_sink = None


class Dongle:
    """A dongle in the same process: `source` and `sink` are what a Bumble host takes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._controller = SimController(f"{room.name}-dongle", room.link)
        self.source = self._controller
        self.sink = AsyncPipeSink(self._controller)

    def pull(self) -> None:
        """Take it out; the host is told that its transport is lost."""
        host, self._controller.hci_sink = self._controller.hci_sink, None
        self._controller.hang_up()
        self._room.link.remove_controller(self._controller)
        lost = getattr(host, "on_transport_lost", None)
        if lost is not None:
            lost()


class Room:
    """A link of its own with at most ten peripherals."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.link = Air()  # type: ignore[no-untyped-call]
        self.sockets: set[asyncio.WriteTransport] = set()
        self.peripherals = 0
        self._server: asyncio.Server | None = None

    def controller(self, name: str) -> SimController:
        """A controller for one more peripheral."""
        if self.peripherals >= PERIPHERALS_PER_LINK:
            raise ValueError(f"room {self.name}: more than {PERIPHERALS_PER_LINK} devices on one link")
        self.peripherals += 1
        return SimController(name, self.link)

    def plug(self) -> Dongle:
        """A dongle for a gateway in this process."""
        return Dongle(self)

    async def listen(self, host: str, port: int) -> int:
        """Offer dongles through HCI over TCP; returns the port."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Socket(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def unplug(self) -> None:
        """Cut every HCI connection, as when an adapter is pulled; the next one gets a new dongle."""
        for transport in list(self.sockets):
            transport.abort()

    async def close(self) -> None:
        """End all HCI connections."""
        if self._server is not None:
            self._server.close()
        self.unplug()
