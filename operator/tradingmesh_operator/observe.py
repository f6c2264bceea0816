"""Reads what there is of one system: its children by label, its pods and what they say of themselves, its Secrets."""

import asyncio
import hashlib
import json
from base64 import b64decode
from collections.abc import Iterable
from typing import Any

import aiohttp

from tradingmesh_operator.api import Api
from tradingmesh_operator.errors import ApiError
from tradingmesh_operator.needs import KEY_ID, credentials_of, secrets_of
from tradingmesh_operator.objects import (
    AUTOSCALERS,
    CHILD_KINDS,
    INSTANCE,
    OPTIONAL_KINDS,
    PART_OF,
    PODS,
    SCALED_OBJECTS,
    SECRETS,
    SYSTEMS,
    Key,
    Kind,
    Manifest,
    reference,
)
from tradingmesh_operator.observed import Observed, Pod, pod_of
from tradingmesh_operator.values import control_secret

_LOOK_AGAIN_S = 15.0
"""How long a kind that the cluster does not have, or does not show us, is not asked for."""
_CONFIGZ_MAX_BYTES = 1 << 20
_PODS_AT_ONCE = 50


class Observer:
    """Looks anew each time: nothing that is decided on is older than the question."""

    def __init__(self, api: Api, *, configz_timeout_s: float) -> None:
        self._api = api
        self._timeout = aiohttp.ClientTimeout(total=configz_timeout_s)
        self._asking = asyncio.Semaphore(_PODS_AT_ONCE)
        self._absent: dict[Kind, float] = {}
        self._keda: tuple[bool, float] = (False, 0.0)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends its connections to pods."""
        if self._session is not None:
            await self._session.close()

    async def observe(self, system: Manifest) -> Observed:
        """Everything of a system. Raises `UnreachableError` and `ApiError`; a pod that does not answer is no error."""
        metadata = system["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        labels = f"{INSTANCE}={key.name},{PART_OF}=tradingmesh"
        names = list(secrets_of(system))
        lists, pods, scalers, token, secrets = await asyncio.gather(
            asyncio.gather(*(self._list(kind, key.namespace, labels) for kind in (*CHILD_KINDS, *OPTIONAL_KINDS))),
            self._api.list(PODS, key.namespace, labels),
            self._list(AUTOSCALERS, key.namespace),
            self._api.get(SECRETS, key.namespace, control_secret(key.name)),
            asyncio.gather(*(self._api.get(SECRETS, key.namespace, name) for name in names)),
        )
        return Observed(
            children={reference(child): child for found in lists for child in found},
            pods=await self.ask(pod_of(pod) for pod in pods),
            secrets={name: _keys(secret) for name, secret in zip(names, secrets, strict=True)},
            has_token=token is not None,
            autoscaled=frozenset(_targets(scalers, "Deployment", "StatefulSet")),
            scaled_by=_targets(scalers, SYSTEMS.kind).get(key.name, ""),
        )

    async def has_keda(self) -> bool:
        """Whether the cluster has ScaledObjects, as far as was known a short while ago."""
        now_s = asyncio.get_running_loop().time()
        found, until_s = self._keda
        if now_s >= until_s:
            found = await self._api.serves(SCALED_OBJECTS)
            self._keda = found, now_s + _LOOK_AGAIN_S
            if found:
                self._absent.pop(SCALED_OBJECTS, None)
        return found

    async def account(self, system: Manifest) -> str | None:
        """A word for the account that a system trades, equal for equal key ids; empty where it has none to share.

        None where its Secret does not say.
        """
        name = credentials_of(system)
        if not name or system["spec"].get("mode", "simulated") == "simulated":
            return ""
        secret = await self._api.get(SECRETS, system["metadata"]["namespace"], name)
        key_id = (secret or {}).get("data", {}).get(KEY_ID, "")
        return hashlib.sha256(b64decode(key_id)).hexdigest()[:16] if key_id else None

    async def _list(self, kind: Kind, namespace: str, labels: str = "") -> list[Manifest]:
        """None of a kind that is not in this cluster, or that we may not see: it is optional."""
        now_s = asyncio.get_running_loop().time()
        optional = kind not in CHILD_KINDS
        if optional and self._absent.get(kind, now_s) > now_s:
            return []
        try:
            return await self._api.list(kind, namespace, labels)
        except ApiError as error:
            if not optional or error.status not in (403, 404):
                raise
            self._absent[kind] = now_s + _LOOK_AGAIN_S
            return []

    async def ask(self, pods: Iterable[Pod]) -> tuple[Pod, ...]:
        """The pods with what each says of itself now."""
        return tuple(await asyncio.gather(*(self._with_configz(pod) for pod in pods)))

    async def _with_configz(self, pod: Pod) -> Pod:
        if not pod.was_asked:
            return pod
        async with self._asking:
            return pod._replace(configz=await self._configz(pod.address))

    async def _configz(self, address: str) -> dict[str, Any] | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.get(f"http://{address}/configz") as answer:
                content = await _all_of(answer.content)
            found = json.loads(content)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


async def _all_of(stream: aiohttp.StreamReader) -> bytes:
    """To its end, in however many pieces the network brings it. Raises `ValueError` where that is too much."""
    content = bytearray()
    async for piece in stream.iter_any():
        content += piece
        if len(content) > _CONFIGZ_MAX_BYTES:
            raise ValueError(f"more than {_CONFIGZ_MAX_BYTES} bytes")
    return bytes(content)


def _keys(secret: Manifest | None) -> frozenset[str] | None:
    return None if secret is None else frozenset(secret.get("data", {}))


def _targets(scalers: Iterable[Manifest], *kinds: str) -> dict[str, str]:
    """What autoscalers set the number of, of these kinds; and the name of the autoscaler."""
    told = ((scaler["spec"]["scaleTargetRef"], scaler["metadata"]["name"]) for scaler in scalers)
    return {target["name"]: name for target, name in told if target["kind"] in kinds}
