"""Speed, each figure beside a reference that is measured in the same run on the same database server (`make bench`)."""

import os

# gRPC must not mind that processes are started beside it; it reads this when it is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
