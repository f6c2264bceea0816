/* pubsub ADDRESS COUNT PAYLOAD_BYTES: [topic][header][payload] from one process to another, nothing dropped. */
#include "common.h"

static const char *address;
static int count, payload_bytes;

static void publish(void)
{
    void *socket, *context = zmq_ctx_new();
    char topic[4] = "IBM", header[HEADER_BYTES] = {0}, payload[256] = {0}, subscription[16];
    int yes = 1;

    socket = zmq_socket(context, ZMQ_XPUB);
    check(zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &yes, sizeof yes) == 0, "nodrop");
    check(zmq_bind(socket, address) == 0, address);
    check(zmq_recv(socket, subscription, sizeof subscription, 0) > 0, "subscription");
    for (int i = 0; i < count; i++) {
        check(zmq_send(socket, topic, sizeof topic, ZMQ_SNDMORE) > 0, "send topic");
        send_pair(socket, header, payload, payload_bytes);
    }
    pause();
}

int main(int argc, char **argv)
{
    char topic[16], header[HEADER_BYTES], payload[256];
    int64_t first_ns = 0;
    void *socket;
    pid_t child;

    check(argc == 4, "usage: pubsub ADDRESS COUNT PAYLOAD_BYTES");
    address = argv[1];
    count = atoi(argv[2]);
    payload_bytes = atoi(argv[3]);
    child = start_role(publish);
    socket = open_socket(zmq_ctx_new(), ZMQ_SUB, address, 0);
    check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
    for (int i = 0; i < count; i++) {
        check(zmq_recv(socket, topic, sizeof topic, 0) > 0, "receive topic");
        receive_pair(socket, header, payload, sizeof payload);
        if (i == 0)
            first_ns = now_ns();
    }
    printf("{\"per_s\": %.0f, \"count\": %d}\n", (count - 1) * 1e9 / (now_ns() - first_ns), count);
    end_roles(&child, 1);
    return 0;
}
