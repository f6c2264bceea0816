/* What the three yardsticks share: time, checked calls, quantiles, and a child for each role. */
#ifndef COMMON_H
#define COMMON_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define HEADER_BYTES 72
#define ROLES_MAX 4

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

__attribute__((unused)) static void print_latency(int64_t *elapsed_ns, int count)
{
    qsort(elapsed_ns, count, sizeof *elapsed_ns, by_size);
    printf("{\"p50\": %.2f, \"p99\": %.2f, \"count\": %d}\n",
           elapsed_ns[count / 2] / 1e3, elapsed_ns[(int)(count * 0.99)] / 1e3, count);
}

static void *open_socket(void *context, int kind, const char *address, int bind)
{
    void *socket = zmq_socket(context, kind);
    int none = 0;
    check(socket != NULL, "zmq_socket");
    check(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0, "linger");
    check((bind ? zmq_bind(socket, address) : zmq_connect(socket, address)) == 0, address);
    return socket;
}

/* Sends header and payload as two frames. */
static void send_pair(void *socket, const void *header, const void *payload, size_t payload_bytes)
{
    check(zmq_send(socket, header, HEADER_BYTES, ZMQ_SNDMORE) == HEADER_BYTES, "send header");
    check(zmq_send(socket, payload, payload_bytes, 0) == (int)payload_bytes, "send payload");
}

static void receive_pair(void *socket, void *header, void *payload, size_t payload_bytes)
{
    check(zmq_recv(socket, header, HEADER_BYTES, 0) == HEADER_BYTES, "receive header");
    check(zmq_recv(socket, payload, payload_bytes, 0) >= 0, "receive payload");
}

/* Runs a role in a child that ends with its parent. */
static pid_t start_role(void (*role)(void))
{
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        role();
        exit(0);
    }
    return child;
}

static void end_roles(const pid_t *children, int count)
{
    for (int i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    for (int i = 0; i < count; i++)
        waitpid(children[i], NULL, 0);
}

#endif
