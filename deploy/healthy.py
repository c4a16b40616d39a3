"""`python healthy.py HOST:PORT`: whether a code server is healthy, by gRPC's own protocol; exits 1 when it is not.

`dagster api grpc-health-check` asks the same, and needs two seconds of a core each time to import Dagster.
"""

from __future__ import annotations

import sys

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

try:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        answer = HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=5)
except grpc.RpcError as error:
    sys.exit(f"No code server answers at {sys.argv[1]}: {error}")
sys.exit(answer.status != HealthCheckResponse.SERVING)
