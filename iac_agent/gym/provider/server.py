"""The provider process: one gRPC server and socket for each azurerm major."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc
from tf.gen import tfplugin_pb2_grpc as rpc

from iac_agent.azure.schemas import VERSIONS
from iac_agent.gym.provider.client import ArmHttp
from iac_agent.gym.provider.service import SandboxProvider

_LARGEST_MESSAGE = 256 << 20


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]
    """Terraform may ask a plugin to shut down; this one outlives it."""

    def Shutdown(self, request: object, context: object) -> object:
        return grpc_controller_pb2.Empty()


class _Stdio(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]
    """go-plugin asks for a stream of the plugin's output; there is none."""

    def StreamStdio(self, request: object, context: object) -> object:
        return iter(())


def socket_path(folder: Path, major: int) -> Path:
    return folder / f"azurerm-{major}.sock"


def serve(folder: Path, endpoint: str) -> None:
    """Serve both majors until SIGTERM."""
    servers = []
    options = [
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
        ("grpc.max_send_message_length", _LARGEST_MESSAGE),
    ]
    for major in VERSIONS:
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
        rpc.add_ProviderServicer_to_server(SandboxProvider(major, ArmHttp(endpoint, folder / "ca.pem", major)), server)
        grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(_Controller(), server)
        grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(_Stdio(), server)
        path = socket_path(folder, major)
        path.unlink(missing_ok=True)
        server.add_insecure_port(f"unix://{path}")
        server.start()
        servers.append(server)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    (folder / "provider.ready").write_text("")
    stopped.wait()
    for server in servers:
        server.stop(grace=1).wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m iac_agent.gym.provider.server")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(options.dir, options.endpoint)
    sys.exit(0)


if __name__ == "__main__":
    main()
