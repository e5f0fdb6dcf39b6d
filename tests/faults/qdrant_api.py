"""The REST calls to one node of a stand-in for Qdrant, and `POST /stand-in`, which sets its `Behaviour`.

Unknown paths get 404, as from a server of another version.
"""

import asyncio
import time
from typing import Any

from qdrant_client import models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.faults.qdrant_cluster import Behaviour, Change, Cluster, Node

LARGEST = 32 * 2**20  # bytes of a request, as a server has it


def reply(result: Any) -> JSONResponse:  # noqa: ANN401 - any of the client's models
    """The envelope of every answer."""
    return JSONResponse({"result": result, "status": "ok", "time": 0.0})


def dumped(model: Any) -> Any:  # noqa: ANN401
    """A model, or a list of them, as JSON."""
    return (
        [item.model_dump(mode="json") for item in model] if isinstance(model, list) else model.model_dump(mode="json")
    )


DONE = {"operation_id": 0, "status": "completed"}


class Api:
    """The calls to one node."""

    def __init__(self, cluster: Cluster, node: Node) -> None:
        self._cluster, self._node, self._client = cluster, node, node.client

    async def _changed(self, request: Request, change: Change, result: Any = True) -> JSONResponse:  # noqa: ANN401
        await self._cluster.change(self._node, change, (request.method, request.url.path, await request.body()))
        return reply(result)

    async def _body(self, request: Request) -> bytes:
        body = await request.body()
        self._cluster.largest = max(self._cluster.largest, len(body))
        if len(body) > LARGEST:
            raise ValueError(f"JSON payload ({len(body)} bytes) is larger than allowed (limit: {LARGEST} bytes).")
        return body

    async def behave(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            asyncio.get_running_loop().create_task(
                self._cluster.behave(Behaviour.model_validate_json(await request.body()))
            ).add_done_callback(lambda task: task.result())
        return JSONResponse({"largest": self._cluster.largest})

    async def cluster(self, request: Request) -> JSONResponse:
        peers = {str(node.position): {"uri": f"http://node-{node.position}"} for node in self._cluster.nodes}
        if len(peers) == 1:
            return reply({"status": "disabled"})
        raft = {"term": 1, "commit": 1, "pending_operations": 0, "is_voter": True, "leader": 0, "role": "Leader"}
        status = {"status": "enabled", "peer_id": self._node.position, "peers": peers, "raft_info": raft}
        thread = {"consensus_thread_status": "working", "last_update": "2026-01-01T00:00:00Z"}
        return reply({**status, "consensus_thread_status": thread, "message_send_failures": {}})

    async def collections(self, request: Request) -> JSONResponse:
        return reply(dumped(await self._client.get_collections()))

    async def aliases(self, request: Request) -> JSONResponse:
        return reply(dumped(await self._client.get_aliases()))

    async def move_aliases(self, request: Request) -> JSONResponse:
        operation = models.ChangeAliasesOperation.model_validate_json(await self._body(request))
        return await self._changed(request, lambda client: client.update_collection_aliases(operation.actions))

    async def collection(self, request: Request) -> JSONResponse:
        name = request.path_params["name"]
        if request.method == "GET":
            return reply(self._described(name, dumped(await self._client.get_collection(name))))
        if request.method == "DELETE":
            return await self._changed(request, lambda client: client.delete_collection(name))
        if request.method == "PATCH":
            change = models.UpdateCollection.model_validate_json(await self._body(request))
            return await self._changed(request, lambda client: client.update_collection(name, metadata=change.metadata))
        wanted = models.CreateCollection.model_validate_json(await self._body(request))
        self._cluster.created[name] = time.monotonic()
        return await self._changed(
            request,
            lambda client: client.create_collection(
                name, wanted.vectors, sparse_vectors_config=wanted.sparse_vectors, metadata=wanted.metadata
            ),
        )

    def _described(self, name: str, info: dict[str, Any]) -> dict[str, Any]:
        """Yellow, with a growing number of indexed vectors, for a while after its creation."""
        age, yellow_s = time.monotonic() - self._cluster.created.get(name, 0.0), self._cluster.behaviour.yellow_s
        if age < yellow_s:
            info |= {"status": "yellow", "indexed_vectors_count": int(1000 * age / yellow_s)}
        return info

    async def index(self, request: Request) -> JSONResponse:
        """Local mode filters without payload indexes."""
        return reply(DONE)

    async def points(self, request: Request) -> JSONResponse:
        name, body = request.path_params["name"], await self._body(request)
        if request.method == "PUT":
            points = models.PointsList.model_validate_json(body).points
            return await self._changed(request, lambda client: client.upsert(name, points), DONE)
        wanted = models.PointRequest.model_validate_json(body)
        read = await self._client.retrieve(name, wanted.ids, wanted.with_payload or True, wanted.with_vector or False)
        return reply(dumped(read))

    async def delete(self, request: Request) -> JSONResponse:
        name, body = request.path_params["name"], await self._body(request)
        wanted = models.FilterSelector.model_validate_json(body)
        return await self._changed(request, lambda client: client.delete(name, wanted), DONE)

    async def set_payload(self, request: Request) -> JSONResponse:
        name, body = request.path_params["name"], await self._body(request)
        wanted = models.SetPayload.model_validate_json(body)
        return await self._changed(
            request,
            lambda client: client.set_payload(name, wanted.payload, models.FilterSelector(filter=wanted.filter)),
            DONE,
        )

    async def delete_payload(self, request: Request) -> JSONResponse:
        name, body = request.path_params["name"], await self._body(request)
        wanted = models.DeletePayload.model_validate_json(body)
        return await self._changed(
            request,
            lambda client: client.delete_payload(name, wanted.keys, models.FilterSelector(filter=wanted.filter)),
            DONE,
        )

    async def scroll(self, request: Request) -> JSONResponse:
        wanted = models.ScrollRequest.model_validate_json(await request.body())
        points, offset = await self._client.scroll(
            request.path_params["name"],
            wanted.filter,
            wanted.limit or 10,
            None,
            wanted.offset,
            wanted.with_payload if wanted.with_payload is not None else True,
            wanted.with_vector or False,
        )
        return reply({"points": dumped(points), "next_page_offset": offset})

    async def count(self, request: Request) -> JSONResponse:
        wanted = models.CountRequest.model_validate_json(await request.body())
        return reply(dumped(await self._client.count(request.path_params["name"], wanted.filter, exact=True)))

    async def query(self, request: Request) -> JSONResponse:
        search = models.QueryRequest.model_validate_json(await request.body())
        (response,) = await self._client.query_batch_points(request.path_params["name"], [search])
        return reply(dumped(response))

    async def queries(self, request: Request) -> JSONResponse:
        searches = models.QueryRequestBatch.model_validate_json(await request.body()).searches
        return reply(dumped(await self._client.query_batch_points(request.path_params["name"], searches)))


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """The local mode's errors: what is not there is a 404, as from a server."""
    status = 404 if "not found" in str(error) else 400
    return JSONResponse({"status": {"error": str(error)}, "time": 0.0}, status)


def application(cluster: Cluster, node: Node) -> Starlette:
    """The server of one node."""
    api, points = Api(cluster, node), "/collections/{name}/points"
    posted = {
        "/collections/aliases": api.move_aliases,
        f"{points}/count": api.count,
        f"{points}/delete": api.delete,
        f"{points}/payload": api.set_payload,
        f"{points}/payload/delete": api.delete_payload,
        f"{points}/query": api.query,
        f"{points}/query/batch": api.queries,
        f"{points}/scroll": api.scroll,
    }
    routes = [
        Route("/stand-in", api.behave, methods=["GET", "POST"]),
        Route("/cluster", api.cluster),
        Route("/collections", api.collections),
        Route("/aliases", api.aliases),
        *(Route(path, call, methods=["POST"]) for path, call in posted.items()),
        Route("/collections/{name}", api.collection, methods=["GET", "PUT", "PATCH", "DELETE"]),
        Route("/collections/{name}/index", api.index, methods=["PUT"]),
        Route(points, api.points, methods=["PUT", "POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={ValueError: refuse})
