/*
 * A mock upstream that speaks OpenAI chat completions: one thread, epoll, HTTP/1.1 keep-alive.
 *
 * It is fast so that it never is what a benchmark measures, and it tells what it saw: GET /stats counts
 * requests by model, so that "a hit never reached the upstream" is a fact and not a hope.
 * Every answer carries the request's own nonce (16 hex digits after "nonce:" in the prompt), in every
 * event of a stream too, so that a client notices answers that were mixed up.
 *
 *   POST <anything>          a chat completion, streamed (50 content events) where the body says "stream":true
 *   GET /stats               {"requests":..,"streams":..,"open":..,"models":{"name":count}}
 *   GET /gap?us=N            microseconds between the events of a stream; 0: all at once, each its own write
 *   GET <anything else>      200
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 50, NONCE = 16, NAME = 64, MODELS = 16, BATCH = 256, MAX_FD = 65536 };

struct conn {
    int fd, sent; /* sent: content events of the running stream so far */
    bool streaming, usage, blocked;
    char model[NAME], nonce[NONCE + 1];
    char *in, *out;
    size_t in_len, in_cap, out_off, out_len, out_cap;
    long due; /* when the next event goes out, ns */
    struct conn *next;
};

struct request {
    const char *path, *body;
    size_t path_len, body_len, total;
    bool post;
};

static struct conn *conns[MAX_FD], *due_head, *due_tail;
static struct { char name[NAME]; long count; } models[MODELS];
static long requests, streams, opened, gap_ns;
static int poller;

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void reserve(char **buffer, size_t *cap, size_t need) {
    if (need <= *cap) return;
    while (*cap < need) *cap = *cap ? *cap * 2 : 8192;
    *buffer = realloc(*buffer, *cap);
    if (!*buffer) abort();
}

static void watch(struct conn *c, bool writable) {
    struct epoll_event e = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->blocked = writable;
}

/* Sends at once, one write per call; keeps what the socket doesn't take. */
static void put(struct conn *c, const char *data, size_t len) {
    ssize_t n = 0;
    if (!c->blocked) {
        n = send(c->fd, data, len, MSG_NOSIGNAL);
        if (n < 0) n = 0;
        if ((size_t)n == len) return;
    }
    reserve(&c->out, &c->out_cap, c->out_len + len - n);
    memcpy(c->out + c->out_len, data + n, len - n);
    c->out_len += len - n;
    if (!c->blocked) watch(c, true);
}

static void flush(struct conn *c) {
    ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
    if (n > 0) c->out_off += n;
    if (c->out_off < c->out_len) return;
    c->out_off = c->out_len = 0;
    watch(c, false);
}

static void drop(struct conn *c) {
    for (struct conn **p = &due_head, *last = NULL; *p; last = *p, p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            if (due_tail == c) due_tail = last;
            break;
        }
    conns[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
    opened--;
}

static void answer(struct conn *c, const char *type, const char *body) {
    char head[8192];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\nx-request-id: mock\r\n\r\n%s", type,
                     strlen(body), body);
    put(c, head, n);
}

static void completion(struct conn *c) {
    char body[2048];
    snprintf(body, sizeof body,
             "{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"%s\","
             "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"nonce:%s The answer follows from "
             "the two constraints named in the question: the first bounds the size of the set, the second its order. "
             "Taken together they leave one candidate, which also satisfies the side condition.\",\"refusal\":null},"
             "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":50,"
             "\"total_tokens\":110,\"prompt_tokens_details\":{\"cached_tokens\":0}},\"system_fingerprint\":\"fp_mock\"}",
             c->nonce, c->model, c->nonce);
    answer(c, "application/json", body);
}

static void chunk(struct conn *c, const char *choices, const char *usage) {
    char data[1024], frame[1200];
    int n = snprintf(data, sizeof data,
                     "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"%s\","
                     "\"system_fingerprint\":\"fp_mock\",\"choices\":[%s]%s}\n\n",
                     c->nonce, c->model, choices, usage);
    n = snprintf(frame, sizeof frame, "%x\r\n%s\r\n", n, data);
    put(c, frame, n);
}

static void event(struct conn *c) {
    char choice[256];
    snprintf(choice, sizeof choice,
             "{\"index\":0,\"delta\":{%s\"content\":\"nonce:%s-%02d \"},\"logprobs\":null,\"finish_reason\":null}",
             c->sent ? "" : "\"role\":\"assistant\",", c->nonce, c->sent);
    chunk(c, choice, "");
    if (++c->sent < EVENTS) return;
    chunk(c, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}", "");
    if (c->usage) chunk(c, "", ",\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":50,\"total_tokens\":110}");
    put(c, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", 24);
    c->streaming = false;
}

static void later(struct conn *c) {
    c->due = now_ns() + gap_ns;
    c->next = NULL;
    if (due_tail) due_tail->next = c;
    else due_head = c;
    due_tail = c;
}

static void stream(struct conn *c) {
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                               "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
    streams++;
    c->sent = 0;
    c->streaming = true;
    put(c, head, sizeof head - 1);
    if (gap_ns) later(c);
    else while (c->streaming) event(c);
}

/* Finds "key" in the body, then returns what stands after its colon, or NULL. */
static const char *value_of(const struct request *r, const char *key) {
    const char *at = memmem(r->body, r->body_len, key, strlen(key)), *end = r->body + r->body_len;
    if (!at) return NULL;
    for (at += strlen(key); at < end && (*at == ' ' || *at == ':'); at++) {}
    return at < end ? at : NULL;
}

static void chat(struct conn *c, const struct request *r) {
    const char *model = value_of(r, "\"model\""), *streamed = value_of(r, "\"stream\"");
    const char *usage = value_of(r, "\"include_usage\""), *nonce = value_of(r, "nonce:");
    size_t n = 0, i = 0;
    if (model && *model++ == '"')
        while (n < NAME - 1 && model[n] != '"') n++;
    if (model) memcpy(c->model, model, n);
    c->model[n] = 0;
    memset(c->nonce, '0', NONCE);
    if (nonce && nonce + NONCE <= r->body + r->body_len) memcpy(c->nonce, nonce, NONCE);
    c->usage = usage && *usage == 't';
    while (i < MODELS - 1 && models[i].count && strcmp(models[i].name, c->model)) i++;
    strcpy(models[i].name, c->model);
    models[i].count++;
    requests++;
    if (streamed && *streamed == 't') stream(c);
    else completion(c);
}

static void control(struct conn *c, const struct request *r) {
    char body[MODELS * (NAME + 24) + 128], *p = body;
    if (r->path_len > 8 && !memcmp(r->path, "/gap?us=", 8)) gap_ns = strtol(r->path + 8, NULL, 10) * 1000;
    p += sprintf(p, "{\"requests\":%ld,\"streams\":%ld,\"open\":%ld,\"models\":{", requests, streams, opened);
    for (int i = 0; i < MODELS && models[i].count; i++)
        p += sprintf(p, "%s\"%s\":%ld", i ? "," : "", models[i].name, models[i].count);
    strcpy(p, "}}");
    answer(c, "application/json", body);
}

static const char *header(const char *head, const char *end, const char *name) {
    size_t n = strlen(name);
    for (const char *line = head; line < end; line = memchr(line, '\n', end - line) + 1)
        if ((size_t)(end - line) > n && !strncasecmp(line, name, n)) return line + n;
    return NULL;
}

/* Joins the chunks in place once all are there. 1: complete, 0: more to come, -1: not HTTP. */
static int unchunk(char *in, char *body, char *end, struct request *r) {
    char *from = body, *to = body, *stop;
    for (;;) {
        char *eol = memmem(from, end - from, "\r\n", 2);
        if (!eol) return 0;
        long size = strtol(from, &stop, 16);
        if (stop == from || size < 0) return -1;
        if (end - eol < size + 4) return 0;
        if (!size) break;
        from = eol + 2 + size + 2;
    }
    for (from = body;;) {
        long size = strtol(from, &stop, 16);
        from = (char *)memmem(stop, end - stop, "\r\n", 2) + 2;
        if (!size) break;
        memmove(to, from, size);
        to += size;
        from += size + 2;
    }
    r->body_len = to - body;
    r->total = from + 2 - in;
    return 1;
}

/* 1: a whole request is there, 0: more to come, -1: not HTTP. */
static int parse(struct conn *c, struct request *r) {
    char *in = c->in, *end = memmem(in, c->in_len, "\r\n\r\n", 4), *body, *space;
    if (!end) return 0;
    r->post = !memcmp(in, "POST ", 5);
    space = memchr(in, ' ', end - in);
    if (!space) return -1;
    r->path = space + 1;
    space = memchr(r->path, ' ', end - r->path);
    if (!space) return -1;
    r->path_len = space - r->path;
    r->body = body = end + 4;
    const char *length = header(in, end + 2, "content-length:"), *coding = header(in, end + 2, "transfer-encoding:");
    if (coding) return unchunk(in, body, in + c->in_len, r);
    r->body_len = length ? strtoul(length, NULL, 10) : 0;
    r->total = body - in + r->body_len;
    return c->in_len >= r->total;
}

/* Answers every whole request in the buffer; false when the connection is gone. */
static bool serve(struct conn *c) {
    struct request r;
    int done;
    while (!c->streaming && c->in_len && (done = parse(c, &r))) {
        if (done < 0) return false;
        if (r.post) chat(c, &r);
        else control(c, &r);
        c->in_len -= r.total;
        memmove(c->in, c->in + r.total, c->in_len);
    }
    return true;
}

static bool readable(struct conn *c) {
    reserve(&c->in, &c->in_cap, c->in_len + 16384);
    ssize_t n = recv(c->fd, c->in + c->in_len, 16384, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (n > 0) c->in_len += n;
    return serve(c);
}

static void join(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MAX_FD) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conns[fd] = calloc(1, sizeof(struct conn));
        conns[fd]->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
        opened++;
    }
}

/* Sends what is due; returns the wait until the next event. */
static struct timespec *tick(struct timespec *wait) {
    long now = due_head ? now_ns() : 0;
    while (due_head && due_head->due <= now) {
        struct conn *c = due_head;
        due_head = c->next;
        if (!due_head) due_tail = NULL;
        event(c);
        if (c->streaming) later(c);
        else if (!serve(c)) drop(c);
    }
    if (!due_head) return NULL;
    long left = due_head->due > now ? due_head->due - now : 0;
    *wait = (struct timespec){.tv_sec = left / 1000000000L, .tv_nsec = left % 1000000000L};
    return wait;
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event ready[BATCH], e = {.events = EPOLLIN};
    struct timespec wait;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    at.sin_port = htons(argc > 1 ? atoi(argv[1]) : 0);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) return perror("mock"), 1;
    poller = epoll_create1(EPOLL_CLOEXEC);
    e.data.fd = listener;
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_pwait2(poller, ready, BATCH, tick(&wait), NULL);
        for (int i = 0; i < n; i++) {
            struct conn *c = conns[ready[i].data.fd];
            if (ready[i].data.fd == listener) { join(listener); continue; }
            if (!c) continue;
            if (ready[i].events & EPOLLOUT) flush(c);
            if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !readable(c)) drop(c);
        }
    }
}
