"""The world outside, for tests: servers on public-looking addresses of a network namespace of their own.

Everything that arrives is written to the log, one line each: what a test asks is what was received, not what the
program inside printed. Arguments: log, certificate, key. Says "ready" on its output.
"""

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import struct
import sys

LOG, CERTIFICATE, KEY = sys.argv[1:4]
NAMES = {
    "good.test": "203.0.113.10", "www.good.test": "203.0.113.10", "other.test": "203.0.113.10",
    "evil.test": "203.0.113.66", "good.test.evil.test": "203.0.113.66", "evilgood.test": "203.0.113.66",
    "loop.test": "127.0.0.1", "private.test": "10.9.9.9", "meta.test": "169.254.169.254", "zero.test": "0.0.0.0",
    "xn--bcher-kva.test": "203.0.113.10", "foo.corp.test": "203.0.113.10",
    # Two addresses at once, the forbidden one first or last.
    "both.test": ["127.0.0.1", "203.0.113.10"], "htob.test": ["203.0.113.10", "10.9.9.9"],
    # Another address each time it is asked for.
    "rebind.test": [["203.0.113.10"], ["127.0.0.1"], ["10.9.9.9"], ["169.254.169.254"]],
}
NAMES6 = {"six.test": "::1", "mapped.test": "::ffff:10.9.9.9", "nat.test": "64:ff9b::a9fe:a9fe", "evil6.test": "2001:db8::66"}
# As many hosts as somebody likes, each with a name of its own: h0.test, r17.test.
MANY = re.compile(r"[hr][0-9]+\.test")
asked = {}


def log(text):
    with open(LOG, "a") as file:
        file.write(text + "\n")


def guarded(handle):
    async def serve(reader, writer):
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
    return serve


def here(writer):
    return "%s:%s" % writer.get_extra_info("sockname")[:2]


async def record(reader, writer):
    log(f"tcp {here(writer)} open")
    while data := await reader.read(65536):
        log(f"tcp {here(writer)} {data!r}")


async def echo(reader, writer):
    log(f"tcp {here(writer)} open")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def banner(reader, writer):
    writer.write(b"220 hello\r\n")
    await echo(reader, writer)


async def stall(reader, writer):
    await asyncio.sleep(3600)


async def reset(reader, writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def postgres(reader, writer):
    """No TLS, then the packet that says who wants what, then a refusal."""
    log(f"postgres {await reader.readexactly(8)!r}")
    writer.write(b"N")
    length = int.from_bytes(await reader.readexactly(4), "big")
    log(f"postgres {await reader.readexactly(length - 4)!r}")
    fields = b"SFATAL\0C28000\0Mseen by the server\0\0"
    writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


async def truncate(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nten bytes.")


async def endless(reader, writer):
    """Sends until the other side is gone, and says when."""
    await reader.readuntil(b"\r\n\r\n")
    log("endless begun")
    try:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()
    finally:
        log("endless over")


async def slow(reader, writer):
    """Takes its time to read, and says how much came and whether that was all."""
    total, end = 0, "end"
    try:
        while data := await reader.read(65536):
            total += len(data)
            await asyncio.sleep(0.01)
    except ConnectionError:
        end = "reset"
    log(f"slow {total} {end}")


async def garbage(reader, writer):
    await reader.read(10)
    writer.write(bytes(range(256)) * 40)


def web(scheme):
    async def serve(reader, writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
            fields = [line.split(": ", 1) for line in head[1:] if ": " in line]
            fields = {name.lower(): value for name, value in fields}
            method, path, version = head[0].split(" ")
            log(f"{scheme} {head[0]} host={fields.get('host')}")
            if fields.get("upgrade", "").lower() == "websocket":
                token = fields["sec-websocket-key"].encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                accept = base64.b64encode(hashlib.sha1(token).digest()).decode()
                writer.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode() + b"early")
                return await echo(reader, writer)
            body = b""
            if "content-length" in fields:
                body = await reader.readexactly(int(fields["content-length"]))
            while "transfer-encoding" in fields:
                size = int(await reader.readline(), 16)
                body += (await reader.readexactly(size + 2))[:-2]
                if size == 0:
                    break
            if path.startswith("/big/"):
                left = int(path[5:])
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n".encode())
                block = bytes(range(251)) * 4096
                while left:
                    writer.write(block[:left])
                    await writer.drain()
                    left -= min(left, len(block))
                continue
            if path.startswith("/numbered/"):
                # Blocks of a MiB, each with its number in front: none can be left out, come twice or change places.
                count = int(path[10:])
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {count << 20}\r\n\r\n".encode())
                digest, rest = hashlib.sha256(), bytes(range(256)) * 4096
                for number in range(count):
                    block = number.to_bytes(8, "big") + rest[8:]
                    digest.update(block)
                    writer.write(block)
                    await writer.drain()
                log(f"sha256 {digest.hexdigest()}")
                continue
            text = f"{scheme} {method} {path} host={fields.get('host')} body={len(body)}\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            await writer.drain()
            if version == "HTTP/1.0" or fields.get("connection", "").lower() == "close":
                return
    return serve


async def proxy(reader, writer):
    """An enterprise's proxy: wants a password, tells what it was asked for."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
    log("proxy " + head.split("\r\n")[0])
    wanted = "Basic " + base64.b64encode(b"me:p@ss").decode()
    if f"proxy-authorization: {wanted}".lower() not in head.lower():
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        return
    method, target = head.split(" ")[:2]
    if method == "TRACE":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head.encode("latin1"))
        return
    if method != "CONNECT":
        text = f"proxied {target}\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        return
    host, port = target.rsplit(":", 1)
    far_reader, far_writer = await asyncio.open_connection(NAMES[host], int(port))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def carry(source, sink):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))


async def socks(reader, writer):
    """A proxy that asks nobody for a password."""
    version, count = await reader.readexactly(2)
    if version == 4:
        port = int.from_bytes(await reader.readexactly(2), "big")
        log(f"socks 4 {socket.inet_ntoa(await reader.readexactly(4))}:{port}")
        return
    await reader.readexactly(count)
    writer.write(b"\5\0")
    head = await reader.readexactly(5)
    name = await reader.readexactly(head[4])
    log(f"socks 5 {name.decode()}:{int.from_bytes(await reader.readexactly(2), 'big')}")
    writer.write(b"\5\0\0\1\0\0\0\0\0\0")


class Recorder(asyncio.DatagramProtocol):
    def __init__(self, place):
        self.place = place

    def datagram_received(self, data, address):
        log(f"udp {self.place} {data!r}")


class Resolver(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        labels, place = [], 12
        while data[place]:
            labels.append(data[place + 1:place + 1 + data[place]].decode("latin1"))
            place += data[place] + 1
        kind = struct.unpack(">H", data[place + 1:place + 3])[0]
        name = ".".join(labels).lower()
        log(f"dns {name}" if kind != 1 else f"dns {name} A")
        known = name in NAMES or name in NAMES6 or MANY.fullmatch(name)
        records = []
        if kind == 1 and name in NAMES:
            found = NAMES[name]
            if isinstance(found, list) and isinstance(found[0], list):
                asked[name] = asked.get(name, -1) + 1
                found = found[asked[name] % len(found)]
            records = [socket.inet_aton(one) for one in ([found] if isinstance(found, str) else found)]
        elif kind == 1 and MANY.fullmatch(name):
            records = [socket.inet_aton("203.0.113.10")]
        elif kind == 28 and name in NAMES6:
            records = [socket.inet_pton(socket.AF_INET6, NAMES6[name])]
        answer = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(one)) + one for one in records)
        header = data[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(records), 0, 0)
        self.transport.sendto(header + data[12:place + 5] + answer, address)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    context.sni_callback = lambda _socket, name, _context: log(f"sni {name}")
    loop = asyncio.get_running_loop()

    async def tcp(handle, host, port, **more):
        await asyncio.start_server(guarded(handle), host, port, backlog=1000, **more)

    async def udp(protocol, host, port):
        await loop.create_datagram_endpoint(protocol, local_addr=(host, port))

    for host in ["203.0.113.66", "10.9.9.9", "169.254.169.254"]:
        for port in [22, 53, 80, 443, 4444]:
            await tcp(record, host, port)
            await udp(lambda place=f"{host}:{port}": Recorder(place), host, port)
    with contextlib.suppress(OSError):  # a machine without IPv6 has nothing to be reached by it
        for port in [53, 80, 443, 4444]:
            await tcp(record, "2001:db8::66", port)
            await udp(lambda place=f"2001:db8::66:{port}": Recorder(place), "2001:db8::66", port)
        await tcp(record, "::1", 80)
    good = "203.0.113.10"
    for handle, port in [(echo, 7000), (banner, 7001), (stall, 7002), (reset, 7003), (garbage, 7004),
                         (postgres, 5433), (truncate, 7005), (endless, 7006)]:
        await tcp(handle, good, port)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    small.bind((good, 7008))
    await asyncio.start_server(guarded(slow), sock=small, limit=65536)
    await tcp(web("http"), good, 80)
    await tcp(web("http"), good, 8080)
    await tcp(web("http"), "10.9.9.9", 8080)
    await tcp(web("https"), good, 443, ssl=context)
    await tcp(echo, "127.0.0.1", 5432)
    await tcp(echo, "127.0.0.1", 80)
    await tcp(web("http"), "127.0.0.1", 3001)
    await tcp(web("https"), "127.0.0.1", 3443, ssl=context)
    await tcp(proxy, "127.0.0.1", 3128)
    await tcp(socks, "127.0.0.1", 1080)
    await tcp(socks, good, 1080)
    await udp(Resolver, "203.0.113.53", 53)
    print("ready", flush=True)
    await asyncio.sleep(3600)


asyncio.run(main())
