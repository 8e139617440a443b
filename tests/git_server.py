"""A Git server for tests: bare repositories of a folder over HTTP, by git's own http-backend. Prints its port and serves until it is killed.

    git_server.py FOLDER [USER:TOKEN]

/redirect/… answers with a redirect to the metadata address that no server of ours may follow; /hang/… never answers.
"""
import base64
import http.server
import os
import subprocess
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        if path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/" + path[len("/redirect/"):] + "?" + query)
            self.end_headers()
            return
        if path.startswith("/hang/"):
            threading.Event().wait()
        login = self.server.login
        if login and self.headers.get("Authorization") != "Basic " + base64.b64encode(login.encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.server.folder, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "CONTENT_LENGTH": str(len(body))}
        answer = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, timeout=60).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        self.send_response(int(next((v.split()[0] for k, v in headers if k == "Status"), "200")))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = serve


class GitServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder, login=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.login = str(folder), login

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


if __name__ == "__main__":
    server = GitServer(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    print(server.server_address[1], flush=True)
    server.serve_forever()
