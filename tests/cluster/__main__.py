"""A Kubernetes cluster for tests, on this machine.

    python -m tests.cluster up        # brings it up, or what is missing of it; prints its kubeconfig
    python -m tests.cluster images    # builds the product's images
    python -m tests.cluster load      # brings them into the cluster
    python -m tests.cluster previous  # builds those of the version before this one, and brings them
    python -m tests.cluster status    # which programs run
    python -m tests.cluster down      # ends it

See docs/decisions/0090-a-whole-cluster-from-packages.md.
"""

import argparse
import sys
import time

from tests.cluster import kind, loading, previous
from tests.cluster.cluster import Cluster


def main() -> None:
    """Does what is asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A Kubernetes cluster for tests.")
    parser.add_argument("what", choices=["up", "images", "load", "previous", "status", "down"])
    parser.add_argument("--with", dest="maker", choices=["packages", "kind"], default="packages")
    parser.add_argument("--tag", default=loading.version(), help="of the images")
    asked = parser.parse_args()
    began_s = time.monotonic()
    {"packages": _packages, "kind": _kind}[asked.maker](asked.what, asked.tag)
    print(f"{asked.what}: {time.monotonic() - began_s:.1f} s", file=sys.stderr)


def _packages(what: str, tag: str) -> None:
    cluster = Cluster()
    match what:
        case "up":
            cluster.up()
            print(cluster.place.kubeconfig)
        case "images":
            loading.build_images(tag)
        case "load":
            loaded = loading.load(cluster.place, loading.wanted(tag))
            print("\n".join(loaded) or "nothing is new")
        case "previous":
            print("\n".join(previous.bring(cluster.place)) or "nothing is new")
        case "status":
            for name, pid in cluster.running().items():
                print(f"{name:<24}{pid or 'ended'}")
        case "down":
            cluster.down()


def _kind(what: str, tag: str) -> None:
    cluster = Cluster()
    match what:
        case "up":
            kind.up(cluster.place)
            print(cluster.place.kubeconfig)
        case "images":
            kind.build_images(tag)
        case "load":
            kind.load(_names(tag))
        case "previous":
            kind.build_images(previous.tag(), previous.source())
            kind.load(_names(previous.tag()))
        case "down":
            kind.down(cluster.place)
        case _:
            raise SystemExit("with kind, `docker ps` says what runs")


def _names(tag: str) -> list[str]:
    return [f"{loading.REPOSITORY}/{name}:{tag}" for name in loading.components()]


if __name__ == "__main__":
    main()
