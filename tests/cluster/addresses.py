"""The addresses of the cluster. All of them are on this machine: loopback, one bridge, and the pods behind it."""

NODE_NAME = "tradingmesh"
BRIDGE = "tradingmesh0"
BRIDGE_MAC = "02:74:6d:00:00:01"
PODS = "10.244.0.0/24"
NODE = "10.244.0.1"
"""The bridge's own: the node's, the API server's, and the pods' gateway."""
SERVICES = "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"
"""The API server as pods know it."""
DNS = "10.96.0.10"
DOMAIN = "cluster.local"

API_PORT = 6443
KUBELET_PORT = 10250
ETCD = "http://127.0.0.1:23790"
ETCD_PEERS = "http://127.0.0.1:23800"
API = f"https://{NODE}:{API_PORT}"
