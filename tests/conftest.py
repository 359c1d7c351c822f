"""What holds for all tests."""

import os

# Before gRPC is imported: a process that tests start is never a gRPC client of its parent's, and what gRPC does in a
# child between fork and exec has crashed one.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
