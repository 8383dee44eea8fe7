import pytest

from placecell.memory.sharing_testing import TRANSPORT_CHECKS
from placecell.memory.transports import Faults, Network
from placecell.memory.websocket import WebSocketTransport


class Mesh:
    """Agents that all listen on this machine, each connected to those that came before it."""

    def __init__(self) -> None:
        self.agents: list[WebSocketTransport] = []

    def join(self, name: str) -> WebSocketTransport:
        urls = [agent.url for agent in self.agents if not agent._loop.is_closed()]
        agent = WebSocketTransport(name, ("127.0.0.1", 0), urls, retry_s=0.05)
        self.agents.append(agent)
        return agent


@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", [Network, Mesh])
def test_conforms(check, make):
    if make is Mesh:
        pytest.importorskip("websockets", reason="needs the [team] extra")
    meeting = make()
    try:
        check(meeting)
    finally:
        for agent in getattr(meeting, "agents", ()):
            agent.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray leaves processes to themselves
def test_ray_conforms(monkeypatch):
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "180")  # a machine may be busy
    ray = pytest.importorskip("ray", reason="needs the [team] extra")
    from placecell.memory.ray_transport import RayNetwork

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for check in TRANSPORT_CHECKS:
            check(RayNetwork(check.__name__))
        network = RayNetwork("dead")
        ann = network.join("ann")
        network.evict("ann")
        assert not ann.send("bob", b"x") and network.join("ann").receive() == []
    finally:
        ray.shutdown()


def test_the_same_seed_gives_the_same_faults():
    def arrivals(seed):
        network = Network(Faults(loss=0.3, duplication=0.3, delay_s=(0.0, 2.0)), seed)
        ann, bob = network.join("ann"), network.join("bob")
        for i in range(100):
            ann.send("bob", bytes([i]))
        found = []
        for _ in range(3):
            found += bob.receive()
            network.advance(1.0)
        return found

    first = arrivals(1)
    assert first == arrivals(1) != arrivals(2)
    assert len({frame for _, frame in first}) < 90 and len(first) > len(set(first)) and first != sorted(first)


def test_what_listens_nowhere_and_what_greets_wrong_is_refused():
    websockets = pytest.importorskip("websockets.sync.client", reason="needs the [team] extra")
    from placecell.errors import PlacecellError

    ann = WebSocketTransport("ann", ("127.0.0.1", 0))
    port = int(ann.url.rsplit(":", 1)[1])
    with pytest.raises(PlacecellError, match=f"cannot listen at 127.0.0.1:{port}"):
        WebSocketTransport("bob", ("127.0.0.1", port))
    for greeting in ("hello", b"\x00", '{"protocol": "placecell", "version": 99}', "[" * 100_000):
        with websockets.connect(ann.url) as socket:
            socket.recv()
            socket.send(greeting)
            with pytest.raises(Exception, match="4001"):
                socket.recv(timeout=10)
    with websockets.connect(ann.url, max_size=None) as socket:
        socket.recv()
        socket.send('{"protocol": "placecell", "version": 2, "name": "eve", "token": "t"}')
        socket.send(bytes(2 << 20))
        with pytest.raises(Exception, match="1009"):  # too big
            socket.recv(timeout=10)
    assert ann.receive() == []
    ann.close()


@pytest.mark.parametrize(
    ("address", "error"), [("nowhere", ValueError), ("host:port", ValueError), ("127.0.0.1:9", ConnectionError)]
)
def test_an_address_at_which_no_cluster_is_fails_at_once(address: str, error: type[Exception]) -> None:
    pytest.importorskip("ray", reason="needs the [team] extra")
    from placecell.memory.ray_transport import ray_module

    with pytest.raises(error, match="Ray cluster"):
        ray_module(address)
