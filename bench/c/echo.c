/* echo ADDRESS COUNT WARM_UP REQUEST_BYTES RESPONSE_BYTES: REQ/REP round trips of [header][payload]. */
#include "common.h"

static const char *address;
static int request_bytes, response_bytes;

static void answer(void)
{
    void *socket = open_socket(zmq_ctx_new(), ZMQ_REP, address, 1);
    char header[HEADER_BYTES], payload[4096] = {0};

    for (;;) {
        receive_pair(socket, header, payload, sizeof payload);
        send_pair(socket, header, payload, response_bytes);
    }
}

int main(int argc, char **argv)
{
    char header[HEADER_BYTES] = {0}, payload[4096] = {0};
    int count, warm_up;
    int64_t *elapsed_ns;
    void *socket;
    pid_t child;

    check(argc == 6, "usage: echo ADDRESS COUNT WARM_UP REQUEST_BYTES RESPONSE_BYTES");
    address = argv[1];
    count = atoi(argv[2]);
    warm_up = atoi(argv[3]);
    request_bytes = atoi(argv[4]);
    response_bytes = atoi(argv[5]);
    elapsed_ns = calloc(count, sizeof *elapsed_ns);
    child = start_role(answer);
    socket = open_socket(zmq_ctx_new(), ZMQ_REQ, address, 0);
    for (int i = -warm_up; i < count; i++) {
        int64_t began_ns = now_ns();
        send_pair(socket, header, payload, request_bytes);
        receive_pair(socket, header, payload, sizeof payload);
        if (i >= 0)
            elapsed_ns[i] = now_ns() - began_ns;
    }
    print_latency(elapsed_ns, count);
    end_roles(&child, 1);
    return 0;
}
