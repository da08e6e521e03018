"""All SQL. One module per aggregate; `Store` holds them together over one database file."""

from app.store.airtime import AirtimeStore
from app.store.blobs import BlobStore
from app.store.boards import BoardStore
from app.store.bundles import BundleStore
from app.store.custody import CustodyStore
from app.store.database import Database, open_database
from app.store.devices import DeviceStore
from app.store.envelopes import EnvelopeStore
from app.store.keeper import KeeperStore
from app.store.log import LogStore
from app.store.node import NodeIdentity, NodeStore
from app.store.overview import OverviewStore
from app.store.peers import PeerStore


class Store:
    """The aggregates of an established node."""

    def __init__(self, database: Database, identity: NodeIdentity) -> None:
        self.database = database
        self.node = NodeStore(database)
        self.devices = DeviceStore(database)
        self.envelopes = EnvelopeStore(database, identity.index)
        self.log = LogStore(database)
        self.airtime = AirtimeStore(database)
        self.custody = CustodyStore(database, identity.index)
        self.boards = BoardStore(database, identity.index)
        self.blobs = BlobStore(database, database.path.parent)
        self.bundles = BundleStore(database)
        self.peers = PeerStore(database)
        self.keeper = KeeperStore(database)
        self.overview = OverviewStore(database)

    async def close(self) -> None:
        await self.database.close()


__all__ = ["Database", "NodeIdentity", "NodeStore", "Store", "open_database"]
