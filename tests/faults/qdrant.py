"""Stands in for a Qdrant server: the REST calls that `app.index.server` makes, over the client's own local mode.

    python -m tests.faults.qdrant PORT

A process of its own, so that it can be killed. What it does not know it answers with 404, as a server of another
version would.
"""

import sys
from typing import Any

import uvicorn
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CLIENT = AsyncQdrantClient(":memory:")


def reply(result: Any) -> JSONResponse:  # noqa: ANN401 - any of the client's models
    """The envelope of every answer."""
    return JSONResponse({"result": result, "status": "ok", "time": 0.0})


def dumped(model: Any) -> Any:  # noqa: ANN401
    """A model, or a list of them, as JSON."""
    return (
        [item.model_dump(mode="json") for item in model] if isinstance(model, list) else model.model_dump(mode="json")
    )


async def collections(request: Request) -> JSONResponse:
    return reply(dumped(await CLIENT.get_collections()))


async def aliases(request: Request) -> JSONResponse:
    return reply(dumped(await CLIENT.get_aliases()))


async def move_aliases(request: Request) -> JSONResponse:
    operation = models.ChangeAliasesOperation.model_validate_json(await request.body())
    return reply(await CLIENT.update_collection_aliases(operation.actions))


async def collection(request: Request) -> JSONResponse:
    name = request.path_params["name"]
    if request.method == "PUT":
        wanted = models.CreateCollection.model_validate_json(await request.body())
        return reply(
            await CLIENT.create_collection(
                name, wanted.vectors, sparse_vectors_config=wanted.sparse_vectors, metadata=wanted.metadata
            )
        )
    if request.method == "PATCH":
        change = models.UpdateCollection.model_validate_json(await request.body())
        return reply(await CLIENT.update_collection(name, metadata=change.metadata))
    if request.method == "DELETE":
        return reply(await CLIENT.delete_collection(name))
    return reply(dumped(await CLIENT.get_collection(name)))


async def index(request: Request) -> JSONResponse:
    """Local mode filters without payload indexes."""
    return reply({"operation_id": 0, "status": "completed"})


async def points(request: Request) -> JSONResponse:
    name, body = request.path_params["name"], await request.body()
    if request.method == "PUT":
        return reply(dumped(await CLIENT.upsert(name, models.PointsList.model_validate_json(body).points)))
    wanted = models.PointRequest.model_validate_json(body)
    points = await CLIENT.retrieve(name, wanted.ids, wanted.with_payload or True, wanted.with_vector or False)
    return reply(dumped(points))


async def count(request: Request) -> JSONResponse:
    return reply(dumped(await CLIENT.count(request.path_params["name"], exact=True)))


async def query(request: Request) -> JSONResponse:
    searches = models.QueryRequestBatch.model_validate_json(await request.body()).searches
    return reply(dumped(await CLIENT.query_batch_points(request.path_params["name"], searches)))


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """The local mode's errors: what is not there is a 404, as from a server."""
    status = 404 if "not found" in str(error) else 400
    return JSONResponse({"status": {"error": str(error)}, "time": 0.0}, status)


APP = Starlette(
    routes=[
        Route("/collections", collections),
        Route("/aliases", aliases),
        Route("/collections/aliases", move_aliases, methods=["POST"]),
        Route("/collections/{name}", collection, methods=["GET", "PUT", "PATCH", "DELETE"]),
        Route("/collections/{name}/index", index, methods=["PUT"]),
        Route("/collections/{name}/points", points, methods=["PUT", "POST"]),
        Route("/collections/{name}/points/count", count, methods=["POST"]),
        Route("/collections/{name}/points/query/batch", query, methods=["POST"]),
    ],
    exception_handlers={ValueError: refuse},
)

if __name__ == "__main__":
    uvicorn.run(APP, port=int(sys.argv[1]), log_level="warning")
