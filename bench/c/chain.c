/* chain COUNT WARM_UP INTERVAL_US TICKS RISK ORDERS: a tick's way through four processes, sockets only.
 *
 * TICKS, RISK and ORDERS are addresses. feed -PUB-> signal -REQ-> risk -REP-> signal -PUSH-> execution -REQ-> risk
 * -REP-> execution, measured from the time in the tick's header to the last answer. Frames are as long as the mesh's.
 */
#include "common.h"

#define TICK_BYTES 40
#define REQUEST_BYTES 387
#define RESPONSE_BYTES 388
#define ORDER_BYTES 576

static const char *ticks, *risk, *orders;
static int interval_us;

static void feed(void)
{
    void *socket = open_socket(zmq_ctx_new(), ZMQ_PUB, ticks, 1);
    char topic[4] = "IBM", header[HEADER_BYTES] = {0}, payload[TICK_BYTES] = {0};
    struct timespec wait = {0, interval_us * 1000L};

    for (;;) {
        int64_t sent_ns;
        nanosleep(&wait, NULL);
        sent_ns = now_ns();
        memcpy(header, &sent_ns, sizeof sent_ns);
        check(zmq_send(socket, topic, sizeof topic, ZMQ_SNDMORE) > 0, "send topic");
        send_pair(socket, header, payload, sizeof payload);
    }
}

static void risk_manager(void)
{
    void *socket = open_socket(zmq_ctx_new(), ZMQ_REP, risk, 1);
    char header[HEADER_BYTES], payload[4096];

    for (;;) {
        receive_pair(socket, header, payload, sizeof payload);
        send_pair(socket, header, payload, RESPONSE_BYTES);
    }
}

static void ask(void *socket, const char *header)
{
    char answer_header[HEADER_BYTES], payload[4096] = {0};

    send_pair(socket, header, payload, REQUEST_BYTES);
    receive_pair(socket, answer_header, payload, sizeof payload);
}

static void signal_generator(void)
{
    void *context = zmq_ctx_new();
    void *in = open_socket(context, ZMQ_SUB, ticks, 0);
    void *check_socket = open_socket(context, ZMQ_REQ, risk, 0);
    void *out = open_socket(context, ZMQ_PUSH, orders, 0);
    char topic[16], header[HEADER_BYTES], payload[ORDER_BYTES] = {0};

    check(zmq_setsockopt(in, ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
    for (;;) {
        check(zmq_recv(in, topic, sizeof topic, 0) > 0, "receive topic");
        receive_pair(in, header, payload, sizeof payload);
        ask(check_socket, header);
        send_pair(out, header, payload, sizeof payload);
    }
}

static void execution_engine(int64_t *elapsed_ns, int count, int warm_up)
{
    void *context = zmq_ctx_new();
    void *in = open_socket(context, ZMQ_PULL, orders, 1);
    void *check_socket = open_socket(context, ZMQ_REQ, risk, 0);
    char header[HEADER_BYTES], payload[4096];

    for (int i = -warm_up; i < count; i++) {
        int64_t sent_ns;
        receive_pair(in, header, payload, sizeof payload);
        ask(check_socket, header);
        memcpy(&sent_ns, header, sizeof sent_ns);
        if (i >= 0)
            elapsed_ns[i] = now_ns() - sent_ns;
    }
}

int main(int argc, char **argv)
{
    int count, warm_up;
    int64_t *elapsed_ns;
    pid_t children[3];

    check(argc == 7, "usage: chain COUNT WARM_UP INTERVAL_US TICKS RISK ORDERS");
    count = atoi(argv[1]);
    warm_up = atoi(argv[2]);
    interval_us = atoi(argv[3]);
    ticks = argv[4];
    risk = argv[5];
    orders = argv[6];
    elapsed_ns = calloc(count, sizeof *elapsed_ns);
    children[0] = start_role(risk_manager);
    children[1] = start_role(signal_generator);
    children[2] = start_role(feed);
    execution_engine(elapsed_ns, count, warm_up);
    print_latency(elapsed_ns, count);
    end_roles(children, 3);
    return 0;
}
