"""The outbox with a channel on which people answer: a key claims, nobody at home is no fault of the channel, links go out at sending."""

from __future__ import annotations

from pathlib import Path

from gateway.notify.base import ChannelSettings, Outcome, Page, Verdict
from gateway.vocabulary import Action, Actor
from tests.timeline.test_channels import phones
from tests.timeline.ward import ward


async def test_a_key_of_the_telephone_claims_for_the_one_who_was_called(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        phone, _ = await phones(home)
        phone.outcome = Outcome(verdict=Verdict.DELIVERED, claimed=True)
        claimed: list[tuple[str, str]] = []

        async def claim(page: Page) -> None:
            claimed.append((page.alert_id, page.recipient))
            await home.desk.act(Action.CLAIM, page.alert_id, Actor(id=f"u-{page.recipient}", name=page.recipient))

        assert home.outbox is not None
        home.outbox.on_claim = claim
        await home.call("sos")
        await home.wait(1)
        alert = home.alert("call.sos")
        assert (alert.claimed_by, claimed) == ("u-li", [(alert.id, "li")])
        await home.wait(29)
        assert len(phone.tried) == 1, "nobody else is called"


async def test_nobody_at_home_is_tried_again_and_is_no_fault_of_the_channel(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        phone, mail = await phones(home)
        phone.outcome = Outcome(verdict=Verdict.RETRY, reason="no_answer", works=True)
        for n in range(8):
            home.resident(f"r{n}")
            await home.call("sos", who=f"r{n}")
        await home.wait(20)
        assert len(phone.tried) >= 8
        assert len(mail.delivered) >= 8, "the next channel at once"
        assert "channel.down" not in {fault.code for fault in home.ops.faults()}
        phone.outcome = Outcome(verdict=Verdict.RETRY, reason="no_baresip")
        for n in range(8):
            await home.call("fall", who=f"r{n}")
        await home.wait(20)
        assert "channel.down" in {fault.code for fault in home.ops.faults()}


async def test_links_are_made_when_a_message_goes_out_for_one_or_for_a_group(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        phone, mail = await phones(home)
        mail.settings = ChannelSettings(group=True)
        sent: list[str] = []
        for one in (phone, mail):
            notify = one.notify

            async def keep(page: Page, notify=notify) -> Outcome:  # type: ignore[no-untyped-def]
                sent.append(page.link)
                return await notify(page)  # type: ignore[no-any-return]

            one.notify = keep  # type: ignore[method-assign]

        async def link(page: Page, shared: bool) -> str:
            return f"{page.recipient}/{'group' if shared else 'one'}"

        assert home.outbox is not None
        home.outbox.link_of = link
        phone.outcome = Outcome(verdict=Verdict.RETRY, reason="http_500")
        await home.call("sos")
        await home.wait(1)
        assert sent[:2] == ["li/one", "li/group"]
