"""git http-backend behind a small HTTP server, plain and with TLS. Arguments: log, certificate, key, directory of repositories.

Says "ready" when it serves on 203.0.113.10, ports 8081 and 8444.
"""

import http.server
import os
import ssl
import subprocess
import sys
import threading

LOG, CERTIFICATE, KEY, TOP = sys.argv[1:5]


class Git(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        with open(LOG, "a") as log:
            log.write(f"git {self.command} {self.path} host={self.headers['Host']}\n")
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length else b""
        while self.headers.get("Transfer-Encoding"):
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size + 2)[:-2]
            if not size:
                break
        path, _, query = self.path.partition("?")
        environment = dict(os.environ, GIT_PROJECT_ROOT=TOP, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path,
                           QUERY_STRING=query, REQUEST_METHOD=self.command, REMOTE_ADDR="x",
                           CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)),
                           HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                           GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
                           GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
        reply = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment).stdout
        head, _, content = reply.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode("latin1").split("\r\n") if line]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        self.send_response(status)
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer


plain = http.server.ThreadingHTTPServer(("203.0.113.10", 8081), Git)
sealed = http.server.ThreadingHTTPServer(("203.0.113.10", 8444), Git)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
sealed.socket = context.wrap_socket(sealed.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print("ready", flush=True)
sealed.serve_forever()
