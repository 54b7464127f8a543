/*
 * A closed-loop load generator for chat completions that checks every answer: one thread, epoll, keep-alive.
 *
 * Each request is a template (one JSON body a line) in which sixteen '@' become the request's own nonce.
 * An answer counts as ok only if it has status 200 and carries that nonce: streams must carry it in 50 content
 * events in order, then one finish reason, a usage chunk where one was asked for, and [DONE] at the end.
 *
 *   loadgen --port P --bodies FILE [--conns 32] [--seconds 5 | --requests N] [--stream] [--keyspace K] [--seed S]
 *           [--path /v1/chat/completions] [--header "Name: value"]... [--expect "header: value"]
 *
 * --keyspace K: nonces repeat after K requests (0: never). --expect: counts answers with this header line.
 * Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 50, NONCE = 16, TEMPLATES = 64, SAMPLES = 1 << 22, BATCH = 256, ANSWER = 1 << 17, MAX_CONNS = 4096 };

struct template { char *text; size_t len, mark; bool usage; };

struct conn {
    int fd, template;
    char nonce[NONCE + 1], *in, *body; /* in: raw bytes; body: without chunk frames */
    size_t in_len, body_len, head_len;
    long started, first_byte;
    bool busy;
};

static struct {
    int port, conns, keyspace;
    long requests, seed;
    double seconds;
    bool stream;
    const char *path, *expect, *bodies;
    char headers[4096];
} opt = {.conns = 32, .seconds = 5, .path = "/v1/chat/completions"};

static struct template templates[TEMPLATES];
static int n_templates, poller;
static long sent, done, ok, bad, failed, expected, events, deadline, last_done;
static float *latency, *ttft;
static char complaint[512];

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void die(const char *why) {
    fprintf(stderr, "loadgen: %s\n", why);
    exit(2);
}

static void load_templates(void) {
    FILE *file = fopen(opt.bodies, "r");
    char *line = NULL, *at;
    size_t cap = 0;
    ssize_t n;
    if (!file) die("cannot read --bodies");
    while (n_templates < TEMPLATES && (n = getline(&line, &cap, file)) > 0) {
        if (line[n - 1] == '\n') line[--n] = 0;
        at = strstr(line, "@@@@@@@@@@@@@@@@");
        if (!at) die("a body has no place for its nonce");
        char *head = malloc(n + 5120);
        int len = sprintf(head, "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\naccept: */*\r\n"
                          "%scontent-length: %zd\r\n\r\n", opt.path, opt.port, opt.headers, n);
        memcpy(head + len, line, n + 1);
        templates[n_templates++] = (struct template){head, len + n, len + (at - line), strstr(line, "include_usage") != NULL};
    }
    fclose(file);
    free(line);
    if (!n_templates) die("no bodies");
}

static void complain(const struct conn *c, const char *why) {
    if (!complaint[0]) snprintf(complaint, sizeof complaint, "%s: %.300s", why, c ? c->in : "");
    for (char *p = complaint; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 32) *p = ' ';
}

static bool more(void) {
    return opt.requests ? sent < opt.requests : now_ns() < deadline;
}

static void begin(struct conn *c) {
    c->template = sent % n_templates;
    struct template *t = &templates[c->template];
    long number = opt.keyspace ? sent % opt.keyspace : sent;
    snprintf(c->nonce, sizeof c->nonce, "%06lx%010lx", opt.seed & 0xffffff, number);
    memcpy(t->text + t->mark, c->nonce, NONCE);
    c->in_len = c->body_len = c->head_len = 0;
    c->first_byte = 0;
    c->busy = true;
    c->started = now_ns();
    sent++;
    if (send(c->fd, t->text, t->len, MSG_NOSIGNAL) != (ssize_t)t->len) die("cannot send a request in one go");
}

static void join(struct conn *c) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&at, sizeof at)) die("cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

static const char *header(const struct conn *c, const char *name) {
    const char *end = c->in + c->head_len;
    size_t n = strlen(name);
    for (const char *line = c->in; line < end; line = (char *)memchr(line, '\n', end - line) + 1)
        if ((size_t)(end - line) > n && !strncasecmp(line, name, n)) return line + n;
    return NULL;
}

/* Whole stream: every content event in order with our nonce, one finish, usage if asked for, [DONE] last. */
static const char *check_stream(const struct conn *c) {
    char want[NONCE + 16];
    const char *at = c->body, *end = c->body + c->body_len, *tail = "data: [DONE]\n\n";
    int seen = 0;
    for (const char *p = at; (p = memmem(p, end - p, "nonce:", 6)); p++) seen++;
    for (int i = 0; i < EVENTS; i++) {
        int n = snprintf(want, sizeof want, "nonce:%s-%02d", c->nonce, i);
        const char *hit = memmem(at, end - at, want, n), *cut = hit ? memmem(hit, end - hit, "\n\n", 2) : NULL;
        if (!cut) return "a content event is missing, out of order or another request's";
        at = cut + 2;
    }
    if (seen != EVENTS) return "more content events than were sent";
    if (!memmem(at, end - at, "\"stop\"", 6)) return "no finish reason";
    if (templates[c->template].usage && !memmem(at, end - at, "\"usage\"", 7)) return "no usage";
    if (c->body_len < 14 || memcmp(end - 14, tail, 14)) return "no [DONE] at the end";
    events += seen;
    return NULL;
}

static const char *check(const struct conn *c) {
    char want[NONCE + 8];
    if (c->in_len < 12 || memcmp(c->in + 9, "200", 3)) return "status";
    if (opt.stream) return check_stream(c);
    int n = snprintf(want, sizeof want, "nonce:%s", c->nonce);
    return memmem(c->body, c->body_len, want, n) ? NULL : "an answer without its nonce";
}

static void finish(struct conn *c) {
    const char *why = check(c);
    c->in[c->in_len] = 0;
    c->busy = false;
    done++;
    last_done = now_ns();
    if (why) bad++, complain(c, why);
    else {
        if (ok < SAMPLES) latency[ok] = (last_done - c->started) / 1e3f, ttft[ok] = (c->first_byte - c->started) / 1e3f;
        ok++;
    }
    if (opt.expect && c->head_len) {
        c->in[c->head_len - 1] = 0; /* the last line feed: the head becomes a string */
        expected += strcasestr(c->in, opt.expect) != NULL;
    }
    if (more()) begin(c);
}

/* Takes chunk frames off what has come. 1: the answer is whole, 0: more to come. */
static int unchunk(struct conn *c) {
    char *from = c->in + c->head_len, *end = c->in + c->in_len;
    c->body_len = 0;
    for (;;) {
        char *eol = memmem(from, end - from, "\r\n", 2);
        if (!eol) return 0;
        long size = strtol(from, NULL, 16);
        if (end - eol < size + 4) return 0;
        if (!size) return 1;
        memcpy(c->body + c->body_len, eol + 2, size);
        c->body_len += size;
        from = eol + 2 + size + 2;
    }
}

static int whole(struct conn *c) {
    if (!c->head_len) {
        char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!end) return 0;
        c->head_len = end + 4 - c->in;
    }
    const char *length = header(c, "content-length:");
    if (!length) { /* only look through the chunks when the last one may be there */
        return c->in_len >= 5 && !memcmp(c->in + c->in_len - 5, "0\r\n\r\n", 5) && unchunk(c);
    }
    c->body_len = strtoul(length, NULL, 10);
    if (c->in_len < c->head_len + c->body_len) return 0;
    memcpy(c->body, c->in + c->head_len, c->body_len);
    return 1;
}

static void readable(struct conn *c) {
    ssize_t n = recv(c->fd, c->in + c->in_len, ANSWER - 1 - c->in_len, 0);
    if (n > 0) {
        if (!c->first_byte) c->first_byte = now_ns();
        c->in_len += n;
        if (c->busy && whole(c)) finish(c);
        return;
    }
    close(c->fd); /* the server hung up: an error if we were waiting for an answer */
    if (c->busy) failed++, done++, c->busy = false, complain(c, "connection closed");
    if (more()) join(c), begin(c);
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double at(float *sorted, long n, double q) {
    return n ? sorted[(long)(q * (n - 1) + .5)] : 0;
}

static void report(long started) {
    long n = ok < SAMPLES ? ok : SAMPLES;
    double seconds = (last_done - started) / 1e9, sum = 0;
    for (long i = 0; i < n; i++) sum += latency[i];
    qsort(latency, n, sizeof *latency, by_value);
    qsort(ttft, n, sizeof *ttft, by_value);
    printf("{\"sent\":%ld,\"ok\":%ld,\"bad\":%ld,\"failed\":%ld,\"expected\":%ld,\"events\":%ld,\"seconds\":%.4f,\"rps\":%.2f,"
           "\"mean_us\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"ttft_p50_us\":%.1f,"
           "\"ttft_p99_us\":%.1f,\"complaint\":\"%s\"}\n",
           sent, ok, bad, failed, expected, events, seconds, ok / seconds, n ? sum / n : 0, at(latency, n, .5),
           at(latency, n, .9), at(latency, n, .99), at(latency, n, 1), at(ttft, n, .5), at(ttft, n, .99), complaint);
}

static void options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'}, {"bodies", 1, 0, 'b'}, {"conns", 1, 0, 'c'}, {"seconds", 1, 0, 't'}, {"requests", 1, 0, 'n'},
        {"stream", 0, 0, 's'}, {"keyspace", 1, 0, 'k'}, {"seed", 1, 0, 'r'}, {"path", 1, 0, 'u'}, {"header", 1, 0, 'h'},
        {"expect", 1, 0, 'e'}, {0, 0, 0, 0}};
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (o) {
        case 'p': opt.port = atoi(optarg); break;
        case 'b': opt.bodies = optarg; break;
        case 'c': opt.conns = atoi(optarg); break;
        case 't': opt.seconds = atof(optarg); break;
        case 'n': opt.requests = atol(optarg); break;
        case 's': opt.stream = true; break;
        case 'k': opt.keyspace = atoi(optarg); break;
        case 'r': opt.seed = atol(optarg); break;
        case 'u': opt.path = optarg; break;
        case 'e': opt.expect = optarg; break;
        case 'h': strncat(strncat(opt.headers, optarg, 1000), "\r\n", 3); break;
        default: exit(2);
    }
    if (!opt.port || !opt.bodies || opt.conns < 1 || opt.conns > MAX_CONNS) die("needs --port, --bodies, 1 to 4096 --conns");
}

int main(int argc, char **argv) {
    struct epoll_event ready[BATCH];
    options(argc, argv);
    load_templates();
    struct conn *conns = calloc(opt.conns, sizeof *conns);
    latency = malloc(SAMPLES * sizeof *latency);
    ttft = malloc(SAMPLES * sizeof *ttft);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < opt.conns; i++) conns[i].in = malloc(ANSWER), conns[i].body = malloc(ANSWER), join(&conns[i]);
    long started = now_ns(), stuck = 0;
    last_done = started;
    deadline = started + (long)(opt.seconds * 1e9);
    for (int i = 0; i < opt.conns && more(); i++) begin(&conns[i]);
    while (done < sent && stuck < 30) { /* waits for what is under way, up to 30 s of silence */
        int n = epoll_wait(poller, ready, BATCH, 1000);
        stuck = n ? 0 : stuck + 1;
        for (int i = 0; i < n; i++) readable(ready[i].data.ptr);
    }
    if (done < sent) failed += sent - done, complain(NULL, "no answer for 30 seconds");
    report(started);
    return ok == sent ? 0 : 1;
}
