"""Asks the API server: JSON over HTTP, bounded in time and in how much at once. Credentials come as kopf finds them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from tradingmesh_operator.errors import ApiError, UnreachableError
from tradingmesh_operator.objects import MANAGER, Kind, Manifest

RENEW_LOGIN_S = 300.0
"""Kubernetes hands out tokens that end within the hour, and writes new ones to the same file."""
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_PAGE = 500

Login = Callable[[], kopf.ConnectionInfo]


class Api:
    """A client of one API server. Raises `ApiError` where it refuses, `UnreachableError` where it does not answer."""

    def __init__(self, login: Login, *, timeout_s: float, at_once: int) -> None:
        self._login = login
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._slots = asyncio.Semaphore(at_once)
        self._session: aiohttp.ClientSession | None = None
        self._server = ""
        self._renew_at_s = 0.0

    async def close(self) -> None:
        """Ends its connections."""
        if self._session is not None:
            await self._session.close()

    async def list(self, kind: Kind, namespace: str, labels: str = "") -> list[Manifest]:
        """All of a kind in a namespace, or in all for none; with apiVersion and kind, which a list leaves out."""
        found: list[Manifest] = []
        query = {"limit": str(_PAGE), **({"labelSelector": labels} if labels else {})}
        while True:
            page = await self.request("GET", self.path(kind, namespace), query=query)
            found += page["items"]
            if not (more := page["metadata"].get("continue")):
                return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in found]
            query["continue"] = more

    async def serves(self, kind: Kind) -> bool:
        """Whether the cluster has this kind of object. Everybody may ask that."""
        try:
            found = await self.request("GET", f"/apis/{kind.api_version}")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return any(one["kind"] == kind.kind for one in found["resources"])

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """One object; None where there is none."""
        try:
            return await self._object("GET", self.path(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def apply(self, kind: Kind, manifest: Manifest, *, subresource: str = "", force: bool = False) -> Manifest:
        """Server-side apply. Unforced, fields of another manager are a refusal with status 409."""
        metadata = manifest["metadata"]
        # Nobody would read a warning; an unknown field is refused all the same, for apply needs to know its owner.
        query = {"fieldManager": MANAGER, "force": "true" if force else "false", "fieldValidation": "Ignore"}
        path = self.path(kind, metadata["namespace"], metadata["name"], subresource)
        return await self._object("PATCH", path, query=query, body=manifest, content_type=_APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """Changes single fields."""
        path = self.path(kind, namespace, name)
        return await self._object("PATCH", path, query={"fieldManager": MANAGER}, body=patch, content_type=_MERGE)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Makes an object that is not there; status 409 where it is."""
        path = self.path(kind, manifest["metadata"]["namespace"])
        return await self._object("POST", path, query={"fieldManager": MANAGER}, body=manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replaces an object if it has not changed since it was read; status 409 where it has."""
        metadata = manifest["metadata"]
        return await self._object("PUT", self.path(kind, metadata["namespace"], metadata["name"]), body=manifest)

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Takes an object away, and what it owns after it; it may be gone already."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        try:
            await self.request("DELETE", self.path(kind, namespace, name), body=body)
        except ApiError as error:
            if error.status != 404:
                raise

    @staticmethod
    def path(kind: Kind, namespace: str, name: str = "", subresource: str = "") -> str:
        """Where the API has a kind, an object or a part of one."""
        root = "/api" if kind.api_version == "v1" else "/apis"
        parts = (root, kind.api_version, "namespaces" if namespace else "", namespace, kind.plural, name, subresource)
        return "/".join(part for part in parts if part)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """One request and its answer."""
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            async with self._slots:
                session = await self._logged_in()
                async with session.request(
                    method, self._server + path, params=query, data=data, headers=headers
                ) as answer:
                    content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(f"{method} {path}: {error or type(error).__name__}") from None
        if answer.status >= 400:
            if answer.status == 401:
                self._renew_at_s = 0.0
            raise _refusal(answer.status, content)
        return json.loads(content)

    async def _object(self, method: str, path: str, **how: Any) -> Manifest:
        found: Manifest = await self.request(method, path, **how)
        return found

    async def _logged_in(self) -> aiohttp.ClientSession:
        now_s = asyncio.get_running_loop().time()
        if self._session is None or now_s >= self._renew_at_s:
            found = self._login()
            old, self._server = self._session, found.server.rstrip("/")
            connector = aiohttp.TCPConnector(ssl=found.as_ssl_context(), limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=found.as_http_headers(), timeout=self._timeout
            )
            self._renew_at_s = now_s + RENEW_LOGIN_S
            if old is not None:
                # Requests under way still use it: it is closed when they must have ended.
                asyncio.get_running_loop().call_later(
                    self._timeout.total or 0, lambda: asyncio.ensure_future(old.close())
                )
        return self._session


def _refusal(status: int, content: bytes) -> ApiError:
    try:
        told = json.loads(content)
        return ApiError(status, told.get("reason", ""), told.get("message", ""))
    except ValueError:
        return ApiError(status, "", content.decode(errors="replace")[:300])
