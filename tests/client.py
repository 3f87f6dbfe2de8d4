#!/usr/bin/env python3
"""A client for Footbridge in one file, with nothing but Python's standard library. Written from docs/API.md alone.

As a module:

    box = Footbridge("https://192.168.1.5:8443", fingerprint="…")     # what the console printed after `certificate sha256:`
    box.sign_in("ada", password, code=lambda: input("code: "))
    host = box.add_host("192.168.1.1", user="root")
    with box.open(host_id=host["id"]) as terminal:
        terminal.accept_host_key("SHA256:…")
        terminal.send(b"uptime\\r")

On the command line (passwords and codes are asked for, or taken from FOOTBRIDGE_PASSWORD, FOOTBRIDGE_CODE and FOOTBRIDGE_HOST_PASSWORD):

    client.py --fingerprint HEX https://HOST:PORT claim CODE ada
    client.py --fingerprint HEX https://HOST:PORT --as ada enrol
    client.py --fingerprint HEX https://HOST:PORT --as ada hosts
    client.py --fingerprint HEX https://HOST:PORT --as ada add-host root@192.168.1.1:22
    client.py --fingerprint HEX https://HOST:PORT --as ada run root@192.168.1.1:22 'uptime'
"""

import argparse
import base64
import getpass
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import struct
import sys
import time
import urllib.parse

# A client's binary message may be 64 KiB at most.
MESSAGE_BYTES = 32 * 1024
# A piece of a file, which in Base64 and with what stands around it fits into a body of 64 KiB.
PIECE_BYTES = 45_000
# Every so many bytes of output we say what we have.
ACK_BYTES = 64 * 1024


class Refused(Exception):
    """An answer with a status of 400 or more, with what the box said about it."""

    def __init__(self, status, body):
        self.status = status
        self.code = body.get("error", "")
        self.field = body.get("field")
        super().__init__(f"{status} {self.code}: {body.get('message', '')} {body.get('remedy', '')}".strip())


class Ended(Exception):
    """The terminal is over; `message` is the `ended` message, or None if only the socket was lost."""

    def __init__(self, message, code=None):
        self.message = message
        self.code = code
        super().__init__(str(message or f"the connection was closed ({code})"))


class Footbridge:
    def __init__(self, url, fingerprint=None, ca=None, timeout=60):
        """`fingerprint`: SHA-256 of the box's certificate in hexadecimal; or `ca`: a file with its CA certificate."""
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 443
        self.authority = parts.netloc
        self.origin = f"https://{parts.netloc}"
        self.fingerprint = fingerprint.lower().replace(":", "") if fingerprint else None
        self.context = ssl.create_default_context(cafile=ca)
        if fingerprint:
            # The certificate is compared by its fingerprint, which says more than a name.
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        self.timeout = timeout
        self.cookie = None
        self.csrf = None
        self.stage = None
        self.connection = None

    # ---- requests ----

    def connect(self):
        plain = socket.create_connection((self.host, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secure = self.context.wrap_socket(plain, server_hostname=self.host)
        if self.fingerprint:
            seen = hashlib.sha256(secure.getpeercert(binary_form=True)).hexdigest()
            if not hmac.compare_digest(seen, self.fingerprint):
                secure.close()
                raise ssl.SSLError(f"this is not the box: its certificate is sha256:{seen}")
        return secure

    def headers(self, method):
        headers = {"Host": self.authority}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if method not in ("GET", "HEAD"):
            headers["Origin"] = self.origin
            if self.csrf:
                headers["X-Footbridge-Csrf"] = self.csrf
        return headers

    def request(self, method, path, body=None):
        try:
            return self.send(method, path, body)
        except Refused as refused:
            if refused.code != "form_needed":
                raise
        # What changes security wants a token that is good once.
        return self.send(method, path, body, {"X-Footbridge-Form": self.send("POST", "/api/form", {})["form"]})

    def send(self, method, path, body=None, more=None):
        headers = {**self.headers(method), **(more or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        answer, content = self.exchange(method, path, data, headers)
        self.take_cookie(answer)
        parsed = json.loads(content) if content else None
        if answer.status >= 400:
            raise Refused(answer.status, parsed or {})
        return parsed

    def exchange(self, method, path, data, headers):
        # A connection that was kept may have been closed meanwhile: one more try, with a new one.
        for is_last in (False, True):
            if self.connection is None:
                is_last = True
                self.connection = http.client.HTTPConnection(self.host, self.port)
                self.connection.sock = self.connect()
            try:
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                content = answer.read()
                if answer.will_close:
                    self.connection = None
                return answer, content
            except (http.client.HTTPException, ConnectionError, ssl.SSLError):
                self.connection = None
                if is_last:
                    raise

    def take_cookie(self, answer):
        for cookie in answer.headers.get_all("Set-Cookie", []):
            pair = cookie.split(";")[0].strip()
            value = pair.partition("=")[2]
            self.cookie = pair if value and "max-age=0" not in cookie.lower() else None

    # ---- signing in ----

    def state(self):
        return self.request("GET", "/api/state")

    def claim(self, code, name, password):
        """Makes the first administrator, and signs in."""
        return self.signed_in(self.request("POST", "/api/claim", {"code": code, "name": name, "password": password}))

    def sign_in(self, name, password, code=None):
        """`code()` gives the one-time code, if this user has a second factor."""
        user = self.signed_in(self.request("POST", "/api/login", {"name": name, "password": password}))
        if self.stage == "factor" and code:
            user = self.signed_in(self.request("POST", "/api/factor/verify", {"code": code()}))
        return user

    def signed_in(self, body):
        self.csrf = body["csrf"]
        # "full", or what this sign-in still owes: "factor" (a code), "enrol" (a second factor).
        self.stage = body["stage"]
        return body["user"]

    def enrol(self, password=None):
        """Sets up a second factor; who is wholly signed in without one gives the password. Answers its secret, as an authenticator
        takes it, and the recovery codes; both are shown once."""
        secret = self.request("POST", "/api/factor/begin", {"proof": password} if password else {})["secret"]
        body = self.request("POST", "/api/factor/finish", {"code": one_time_code(secret)})
        self.signed_in(body)
        return secret, body["recovery_codes"]

    def sign_out(self, terminals="keep"):
        self.request("POST", "/api/logout", {"terminals": terminals})
        self.csrf = None

    def change_password(self, current, new):
        self.csrf = self.request("POST", "/api/password", {"current": current, "new": new})["csrf"]

    # ---- the box ----

    def update(self, content, signature, proof):
        """For administrators: a newer program or image. How it ended is in `update_state()["last"]`, perhaps after a new start."""
        begun = {"bytes": len(content), "signature": base64.b64encode(signature).decode(), "proof": proof}
        upload = self.request("POST", "/api/update", begun)["upload"]
        for at in range(0, len(content), PIECE_BYTES):
            piece = base64.b64encode(content[at : at + PIECE_BYTES]).decode()
            self.request("PUT", "/api/update", {"upload": upload, "at": at, "data": piece})
        self.request("POST", "/api/update/install", {"upload": upload})

    def update_state(self):
        return self.request("GET", "/api/update")

    # ---- what is stored ----

    def hosts(self):
        return self.request("GET", "/api/hosts")["hosts"]

    def add_host(self, address, port=22, user="root", label="", credential_id=None):
        body = {"label": label, "address": address, "port": port, "user": user, "credential_id": credential_id}
        return self.request("POST", "/api/hosts", body)

    def delete_host(self, host_id):
        self.request("DELETE", f"/api/hosts/{host_id}")

    def credentials(self):
        return self.request("GET", "/api/credentials")["credentials"]

    def add_password(self, label, password, address=None, port=None):
        """Typed for the host at `address`, it is sent there; anywhere else, `start` wants a proof once."""
        body = {"label": label, "kind": "password", "password": password, "address": address, "port": port}
        return self.request("POST", "/api/credentials", body)

    def add_key(self, label, private_key, passphrase=None):
        body = {"label": label, "kind": "key", "private_key": private_key, "passphrase": passphrase}
        return self.request("POST", "/api/credentials", body)

    def generate_key(self, label):
        return self.request("POST", "/api/credentials", {"label": label, "kind": "generate"})

    def host_keys(self):
        return self.request("GET", "/api/hostkeys")["host_keys"]

    def trust(self, known_hosts):
        """`known_hosts`: lines as OpenSSH writes them."""
        return self.request("POST", "/api/hostkeys", {"known_hosts": known_hosts})

    # ---- terminals ----

    def sessions(self):
        return self.request("GET", "/api/sessions")["sessions"]

    def start(self, host_id=None, address=None, port=22, user=None, credential_id=None, cols=80, rows=24, proof=None):
        """Answers the session and a ticket for its WebSocket. `proof`: for a stored password that was not sent there before."""
        if host_id is not None:
            body = {"host_id": host_id, "cols": cols, "rows": rows}
        else:
            body = {"address": address, "port": port, "user": user, "credential_id": credential_id, "cols": cols, "rows": rows}
        answer = self.request("POST", "/api/sessions", {**body, "proof": proof})
        return answer["session"], answer["ticket"]

    def open(self, **where):
        """Starts a session and attaches to it; the arguments are those of `start`."""
        session, ticket = self.start(**where)
        return Terminal(self, session["id"], ticket, 0)

    def attach(self, session_id, offset=None):
        """Takes a terminal up again. `offset`: how many bytes of its output we have; None: all that the box still keeps."""
        ticket = self.request("POST", f"/api/sessions/{session_id}/ticket", {})["ticket"]
        return Terminal(self, session_id, ticket, offset)

    def end_session(self, session_id):
        self.request("DELETE", f"/api/sessions/{session_id}")


def one_time_code(secret, step=None):
    """RFC 6238: six digits of this half minute."""
    counter = struct.pack(">Q", int(time.time()) // 30 if step is None else step)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    at = digest[19] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class Terminal:
    """One WebSocket to one session. `offset` is how many bytes of output this client has."""

    def __init__(self, box, session_id, ticket, offset):
        self.session_id = session_id
        self.output = bytearray()
        self.acknowledged = 0
        query = {"ticket": ticket}
        if offset is not None:
            query["offset"] = offset
        path = f"/api/sessions/{session_id}/attach?{urllib.parse.urlencode(query)}"
        self.socket = WebSocket(box.connect(), box.authority, path, {"Origin": box.origin, "Cookie": box.cookie})
        self.attached = self.message("attached")
        self.offset = self.attached["offset"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Leaves; the terminal goes on."""
        self.socket.close()

    # ---- from the box ----

    def step(self):
        """Takes one message from the box: output is kept, anything else is answered as a dictionary."""
        kind, payload = self.socket.receive()
        if kind == "close":
            raise Ended(None, payload)
        if kind == "binary":
            self.output += payload
            self.offset += len(payload)
            if self.offset - self.acknowledged >= ACK_BYTES:
                self.acknowledge()
            return None
        message = json.loads(payload)
        if message["type"] == "ended":
            raise Ended(message)
        if message["type"] == "lost":
            self.offset = message["offset"]
        return message

    def message(self, kind):
        """Reads on to the first message of that type."""
        while True:
            message = self.step()
            if message and message["type"] == kind:
                return message

    def acknowledge(self):
        self.say({"type": "ack", "offset": self.offset})
        self.acknowledged = self.offset

    def expect(self, wanted):
        """Reads on until the output holds these bytes; takes and answers everything up to their end."""
        while wanted not in self.output:
            self.step()
        end = self.output.index(wanted) + len(wanted)
        taken = bytes(self.output[:end])
        del self.output[:end]
        return taken

    def until_ended(self):
        """Reads to the end; answers all output and the `ended` message."""
        try:
            while True:
                self.step()
        except Ended as end:
            if end.message is None:
                raise
            return bytes(self.output), end.message

    def until_live(self, expected_key=None, ask=None):
        """Answers the box's questions until the shell is there. A host key is accepted only if it is `expected_key` (or already
        trusted, then nobody is asked); `ask(question)` gives the responses to prompts."""
        if self.attached["session"]["state"] == "live":
            return
        while True:
            message = self.step()
            if not message:
                continue
            if message["type"] == "state" and message["state"] == "live":
                return
            if message["type"] == "question" and message["question"] == "host_key":
                self.answer(message, accept=message["fingerprint"] == expected_key, remember=True)
            elif message["type"] == "question":
                responses = ask(message) if ask else None
                self.answer(message, **({"responses": responses} if responses is not None else {"cancel": True}))

    def accept_host_key(self, fingerprint, remember=True):
        """Waits for the question and says yes if the key is this one, no if it is another."""
        question = self.message("question")
        self.answer(question, accept=question.get("fingerprint") == fingerprint, remember=remember)
        return question

    # ---- to the box ----

    def say(self, message):
        self.socket.send_text(json.dumps(message))

    def answer(self, question, **fields):
        self.say({"type": "answer", "id": question["id"], **fields})

    def send(self, data):
        for start in range(0, len(data), MESSAGE_BYTES):
            self.socket.send_binary(data[start : start + MESSAGE_BYTES])

    def resize(self, cols, rows):
        self.say({"type": "resize", "cols": cols, "rows": rows})

    def end(self):
        self.say({"type": "end"})


class WebSocket:
    """RFC 6455, the client's side, without extensions."""

    CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
    MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    def __init__(self, stream, authority, path, headers):
        self.stream = stream
        self.pending = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {authority}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.take_answer(key)

    def take_answer(self, key):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.exactly(1)
        status, _, rest = head.decode("latin-1").partition("\r\n")
        headers = {}
        for line in rest.strip().split("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        code = int(status.split(" ")[1])
        if code != 101:
            body = self.exactly(int(headers.get("content-length", 0)))
            self.stream.close()
            raise Refused(code, json.loads(body) if body else {})
        accept = base64.b64encode(hashlib.sha1((key + self.MAGIC).encode()).digest()).decode()
        if headers.get("sec-websocket-accept") != accept:
            raise ConnectionError("the answer is not to our key")

    def exactly(self, count):
        while len(self.pending) < count:
            more = self.stream.recv(65536)
            if not more:
                raise ConnectionError("the box closed the connection")
            self.pending += more
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def frame(self):
        first, second = self.exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.exactly(8))
        if second & 0x80 or first & 0x70:
            raise ConnectionError("a server's frame has no mask and no reserved bits")
        return first & 0x80, first & 0x0F, self.exactly(length)

    def receive(self):
        """("text" or "binary", bytes), or ("close", code)."""
        opcode, message = None, b""
        while True:
            is_last, code, payload = self.frame()
            if code == self.PING:
                self.send(self.PONG, payload)
            elif code == self.CLOSE:
                self.finish(payload)
                return "close", struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
            elif code != self.PONG:
                opcode, message = opcode or code, message + payload
                if is_last:
                    return ("text" if opcode == self.TEXT else "binary"), message

    def send(self, opcode, payload):
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = struct.pack(">BB", 0x80 | opcode, 0x80 | length)
        elif length < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, length)
        # Masking by one big number is many times faster than byte by byte.
        stretched = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(length, "big")
        self.stream.sendall(head + mask + masked)

    def send_text(self, text):
        self.send(self.TEXT, text.encode())

    def send_binary(self, data):
        self.send(self.BINARY, data)

    def finish(self, payload=b""):
        try:
            self.send(self.CLOSE, payload[:2])
        except OSError:
            pass
        self.stream.close()

    def close(self):
        self.finish(struct.pack(">H", 1000))


# ---- the command line ----


def parse_target(text):
    """user@address:port, the port being optional and an IPv6 address in brackets."""
    user, at, rest = text.rpartition("@")
    if not at:
        raise SystemExit(f"{text}: please write user@address:port")
    parts = urllib.parse.urlsplit(f"//{rest}")
    return {"user": user, "address": parts.hostname, "port": parts.port or 22}


def secret(variable, prompt):
    return os.environ.get(variable) or getpass.getpass(prompt)


def answer_prompts(question):
    print(question["instruction"], file=sys.stderr)
    return [secret("FOOTBRIDGE_HOST_PASSWORD", prompt["text"]) for prompt in question["prompts"]]


def run(box, options):
    """Runs one line in a shell on the host; prints what the terminal shows, and ends with the shell's exit status."""
    with box.open(**parse_target(options.target)) as terminal:
        try:
            terminal.until_live(options.host_key, answer_prompts)
            terminal.send(f"{options.command}; exit\r".encode())
            output, end = terminal.until_ended()
        except Ended as early:
            raise SystemExit(f"{early.message['message']} {early.message['remedy']}" if early.message else str(early)) from None
    sys.stdout.buffer.write(output)
    return end.get("status") or 0


def attach(box, options):
    with box.attach(options.session, options.offset) as terminal:
        output, _ = terminal.until_ended()
    sys.stdout.buffer.write(output)


def arguments():
    parser = argparse.ArgumentParser(description="A small client for Footbridge", epilog="docs/API.md is all it was written from")
    parser.add_argument("url", help="https://HOST:PORT, as printed by `footbridge serve`")
    parser.add_argument("--fingerprint", help="the box's certificate, as printed after `certificate sha256:`")
    parser.add_argument("--ca", help="a file with the box's CA certificate (/ca.pem), instead of a fingerprint")
    parser.add_argument("--as", dest="name", help="who signs in")
    commands = parser.add_subparsers(dest="do", required=True)
    claim = commands.add_parser("claim", help="make the first administrator")
    claim.add_argument("code")
    claim.add_argument("new_name")
    commands.add_parser("enrol", help="set up a second factor: type the secret into an authenticator, and keep the recovery codes")
    commands.add_parser("state", help="what the box says of itself")
    commands.add_parser("hosts", help="list the hosts")
    commands.add_parser("sessions", help="list the terminals")
    add = commands.add_parser("add-host", help="add a host")
    add.add_argument("target", metavar="user@address:port")
    once = commands.add_parser("run", help="run a line on a host and show what its terminal shows")
    once.add_argument("target", metavar="user@address:port")
    once.add_argument("command")
    once.add_argument("--host-key", help="SHA256:… of the host's key, if it is not trusted yet")
    again = commands.add_parser("attach", help="read a terminal from an offset to its end")
    again.add_argument("session")
    again.add_argument("--offset", type=int)
    return parser.parse_args()


def show(things):
    print(json.dumps(things, indent=2, ensure_ascii=False))


def main():
    options = arguments()
    box = Footbridge(options.url, options.fingerprint, options.ca)
    if options.do == "claim":
        show(box.claim(options.code, options.new_name, secret("FOOTBRIDGE_PASSWORD", "New password: ")))
        return print("Now set up the second factor: sign in with the page, or with `enrol`." if box.stage == "enrol" else "", file=sys.stderr)
    if options.name:
        box.sign_in(options.name, secret("FOOTBRIDGE_PASSWORD", "Password: "), lambda: secret("FOOTBRIDGE_CODE", "One-time code: "))
    if options.do == "enrol":
        key, codes = box.enrol()
        return show({"secret": key, "recovery_codes": codes})
    if options.do == "state":
        return show(box.state())
    if options.do == "hosts":
        return show(box.hosts())
    if options.do == "sessions":
        return show(box.sessions())
    if options.do == "add-host":
        return show(box.add_host(**parse_target(options.target)))
    return run(box, options) if options.do == "run" else attach(box, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Refused, OSError) as trouble:
        sys.exit(str(trouble))
