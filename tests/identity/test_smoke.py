from tests.identity.builders import *
from tests.support.suite import start_suite
async def test_it():
    async with start_suite("identity") as suite:
        await publish_domains(suite)
        a = await enrol(suite, "Zoë")
        print(a)
        b = await suite.identity.ResolveAccount(resolve("Zoë"))
        print(b)
        l = await suite.identity.LinkAccount(link(a.member_id, "x1"))
        print(l)
        print(await get_member(suite, a.member_id))
        print(await suspend(suite, a.member_id))
        print(await suite.identity.ResolveAccount(resolve("x1", domain="fuel")))
        print(await reinstate(suite, a.member_id))
        print(await unlink(suite, l.account.account_id))
        print(await close(suite, a.member_id))
        print(await suite.identity.ListMembers(pb.ListMembersRequest()))
