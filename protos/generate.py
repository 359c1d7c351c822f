"""Generate the Python stubs of the contracts into the SDK: `python protos/generate.py`.

Every `protos/tessera/**/*.proto` becomes messages (`_pb2.py`) and, where it declares services, clients and servicers
(`_pb2_grpc.py`), each with its types (`.pyi`; the gRPC ones describe grpc.aio). A generated package is a folder that
holds nothing else, ignores itself in git and is replaced as a whole, so that no stub outlives its contract.

`build/protos.binpb` is the image of all contracts with their imports and comments: what `buf` lints and compares.
"""

import argparse
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
SDK = ROOT / "clients" / "python"
BUILD = ROOT / "build"
VALIDATE_PROTO = "buf/validate/validate.proto"
GENERATED_INIT = '"""Generated from the contracts by `make stubs`."""\n'


def main() -> None:
    """Compile the contracts to an image, then replace all stubs."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--contracts", type=Path, default=ROOT / "protos", help="folder of the .proto files")
    arguments.add_argument("--image", type=Path, default=BUILD / "protos.binpb", help="where the image is written")
    arguments.add_argument("--image-only", action="store_true", help="write no stubs")
    options = arguments.parse_args()

    contracts = sorted(path.relative_to(options.contracts).as_posix() for path in options.contracts.rglob("*.proto"))
    if not contracts:
        sys.exit(f"no contracts in {options.contracts}")
    compile_image(options.contracts, contracts, options.image)
    if options.image_only:
        return
    remove_stubs()
    generate_messages(options.contracts, [*contracts, VALIDATE_PROTO])
    generate_services(options.contracts, with_services(options.image, contracts))
    close_packages({Path(contract).parts[:2] for contract in [*contracts, VALIDATE_PROTO]})


def compile_image(source: Path, contracts: list[str], image: Path) -> None:
    """Compile the contracts into one descriptor set that stands alone."""
    image.parent.mkdir(parents=True, exist_ok=True)
    run_protoc(source, contracts, [f"--descriptor_set_out={image}", "--include_imports", "--include_source_info"])


def generate_messages(source: Path, contracts: list[str]) -> None:
    """Write the message modules and their types."""
    run_protoc(source, contracts, [f"--python_out={SDK}", plugin("mypy"), f"--mypy_out=quiet:{SDK}"])


def generate_services(source: Path, contracts: list[str]) -> None:
    """Write the client and servicer modules and their types; only for contracts that declare services."""
    if not contracts:
        return
    types = [plugin("mypy_grpc"), f"--mypy_grpc_out=quiet,only_async:{SDK}"]
    run_protoc(source, contracts, [f"--grpc_python_out={SDK}", *types])


def run_protoc(source: Path, contracts: list[str], outputs: list[str]) -> None:
    """Run protoc with every import the contracts may use: google's types and buf's validation rules."""
    includes = [source, Path(sysconfig.get_path("purelib")), Path(grpc_tools.__file__).parent / "_proto"]
    command = ["protoc", *(f"--proto_path={path}" for path in includes), f"--descriptor_set_in={validation_rules()}"]
    status = protoc.main([*command, *outputs, *contracts])
    if status:
        sys.exit(status)


def validation_rules() -> Path:
    """Write the descriptor of buf/validate/validate.proto, which protovalidate carries, as a descriptor set."""
    rules = descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    path = BUILD / "validate.binpb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=[rules]).SerializeToString())
    return path


def plugin(name: str) -> str:
    """Name the protoc plugin installed beside this interpreter, whatever PATH says."""
    return f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}"


def with_services(image: Path, contracts: list[str]) -> list[str]:
    """Keep the contracts that declare a service."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    declaring = {file.name for file in files if file.service}
    return [contract for contract in contracts if contract in declaring]


def remove_stubs() -> None:
    """Remove every generated package: the folders that ignore themselves."""
    for marker in [*SDK.glob("tessera/*/.gitignore"), *SDK.glob("buf/.gitignore")]:
        shutil.rmtree(marker.parent)


def close_packages(packages: Iterable[tuple[str, ...]]) -> None:
    """Make each generated folder a package, and mark it as generated.

    A hand-written module of the SDK must not share its name with a package of the contracts: Python would see only one.
    """
    for package in packages:
        top = SDK.joinpath(*package[:2]) if package[0] == "tessera" else SDK / package[0]
        if top.with_suffix(".py").exists() or (top / "__init__.py").exists():
            sys.exit(f"{top.relative_to(ROOT)} is written by hand, but the contracts have a package of that name")
        (top / ".gitignore").write_text("*\n")
        for folder in [top, *(path for path in top.rglob("*") if path.is_dir())]:
            (folder / "__init__.py").write_text(GENERATED_INIT)


if __name__ == "__main__":
    main()
