"""Who may talk to Haven's server: pure ASGI layers that never touch a body, so that streams pass through.

A page of another site can make a browser send requests to this machine. It cannot make it lie about
`Host`, `Origin` and `Sec-Fetch-Site`, so these decide. Scripts send none of the last two, and may come in.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

# Gradio builds its page with inline styles and compiles templates in the browser; everything else is
# held to this server, so that the page provably asks nobody outside.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class OnlyOwnHosts:
    """Answers 400 to a request that was addressed to another name than this machine's own."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] = OWN_HOSTS) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or host_name(Headers(scope=scope).get("host", "")) in self.hosts:
            await self.app(scope, receive, send)
            return
        await _refuse(scope, receive, send, 400, "Haven answers on this machine only.")


class OnlyOwnOrigin:
    """Answers 403 to whatever another site's page makes a browser send, by any method."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_ours(scope):
            await self.app(scope, receive, send)
            return
        await _refuse(scope, receive, send, 403, "This request came from another site's page.")


class SecurityHeaders:
    """Adds to every answer what the browser must not do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def host_name(host: str) -> str:
    """The name in a Host header without its port; empty if it is none: `[::1]:7860` is `::1`."""
    if "@" in host:  # a Host header has no user name; a reader who thinks so sees another host than we do
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_ours(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None and _address(origin) != headers.get("host"):
        return False
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    # Following a link to Haven from elsewhere is fine: it opens the page, and gives the other site nothing.
    opens_page = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
    return opens_page and scope.get("method") == "GET"


def _address(origin: str) -> str:
    """`host:port` of an Origin header; empty for "null" and for what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    await PlainTextResponse(reason, status_code=status)(scope, receive, send)
