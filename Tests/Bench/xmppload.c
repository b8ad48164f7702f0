/*
 * xmppload - a small, neutral XMPP client-to-server load generator.
 *
 * One thread, epoll, OpenSSL.  See README.md for the modes.  It knows nothing
 * about any particular server and measures it from outside, through /proc.
 * It is meant to be much cheaper than the server it loads; every run prints
 * its own CPU use beside the server's so that this can be checked.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

/* ------------------------------------------------------------------ util */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("xmppload: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static void *xrealloc(void *p, size_t n) {
    p = realloc(p, n);
    if (!p) die("out of memory");
    return p;
}
static void *xcalloc(size_t n, size_t m) {
    void *p = calloc(n, m);
    if (!p) die("out of memory");
    return p;
}

/* log-linear histogram, 32 sub-buckets per power of two (about 3 %) */
typedef struct {
    uint64_t cnt[64 * 32];
    uint64_t n, max;
    double sum;
} hist;

static void hist_add(hist *h, uint64_t v) {
    unsigned i;
    if (v < 32) i = (unsigned)v;
    else {
        int e = 63 - __builtin_clzll(v);
        i = (unsigned)((e - 4) * 32) + (unsigned)((v >> (e - 5)) & 31);
    }
    h->cnt[i]++;
    h->n++;
    h->sum += (double)v;
    if (v > h->max) h->max = v;
}
/* returns ns at quantile q (upper edge of the bucket) */
static double hist_q(const hist *h, double q) {
    if (!h->n) return 0;
    uint64_t want = (uint64_t)(q * (double)h->n + 0.999999), acc = 0;
    if (want < 1) want = 1;
    for (unsigned i = 0; i < 64 * 32; i++) {
        acc += h->cnt[i];
        if (acc >= want) {
            double v;
            if (i < 32) v = i;
            else {
                int e = (int)(i / 32) + 4;
                v = (double)((uint64_t)(32 + (i % 32) + 1) << (e - 5));
            }
            return v > (double)h->max ? (double)h->max : v;
        }
    }
    return (double)h->max;
}

/* JSON line builder */
static char json_buf[16384];
static size_t json_len;
static void js_raw(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(json_buf + json_len, sizeof json_buf - json_len, fmt, ap);
    va_end(ap);
    if (n > 0) json_len += (size_t)n;
    if (json_len >= sizeof json_buf) die("json overflow");
}
static void js_sep(void) { js_raw(json_len ? "," : "{"); }
static void js_num(const char *k, double v) {
    js_sep();
    if (v == (double)(int64_t)v && v < 1e15 && v > -1e15) js_raw("\"%s\":%lld", k, (long long)v);
    else js_raw("\"%s\":%.6g", k, v);
}
static void js_str(const char *k, const char *v) {
    js_sep();
    js_raw("\"%s\":\"", k);
    for (; *v; v++) {
        if (*v == '"' || *v == '\\') js_raw("\\%c", *v);
        else if ((unsigned char)*v >= 32) js_raw("%c", *v);
    }
    js_raw("\"");
}

/* ----------------------------------------------------------- server stats */

static int srv_roots[16], n_srv_roots;

typedef struct {
    double cpu;            /* user+sys seconds of the live tree, reaped children included */
    double rss, pss, anon; /* bytes */
    int procs;
    double wbytes, syscw;
    double root_cpu[16];   /* cpu of each --server-pid tree */
} srvstat;

static double clk_tck;

static void srv_sample(srvstat *st, bool mem) {
    memset(st, 0, sizeof *st);
    if (!n_srv_roots) return;
    static struct { int pid, ppid, root; double cpu; bool in; } *tab;
    static int cap;
    int n = 0;
    DIR *d = opendir("/proc");
    if (!d) return;
    struct dirent *de;
    while ((de = readdir(d))) {
        if (!isdigit((unsigned char)de->d_name[0])) continue;
        char path[300], buf[1024];
        snprintf(path, sizeof path, "/proc/%s/stat", de->d_name);
        int fd = open(path, O_RDONLY);
        if (fd < 0) continue;
        ssize_t r = read(fd, buf, sizeof buf - 1);
        close(fd);
        if (r <= 0) continue;
        buf[r] = 0;
        char *p = strrchr(buf, ')');
        if (!p) continue;
        int ppid;
        unsigned long ut, stt;
        long cut, cst;
        if (sscanf(p + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &ppid, &ut, &stt,
                   &cut, &cst) != 5)
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 512;
            tab = xrealloc(tab, sizeof *tab * (size_t)cap);
        }
        tab[n].pid = atoi(de->d_name);
        tab[n].ppid = ppid;
        tab[n].cpu = ((double)ut + (double)stt + (double)cut + (double)cst) / clk_tck;
        tab[n].in = false;
        for (int i = 0; i < n_srv_roots; i++)
            if (tab[n].pid == srv_roots[i]) tab[n].in = true, tab[n].root = i;
        n++;
    }
    closedir(d);
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < n; i++) {
            if (tab[i].in) continue;
            for (int j = 0; j < n; j++)
                if (tab[j].in && tab[j].pid == tab[i].ppid) {
                    tab[i].in = more = true;
                    tab[i].root = tab[j].root;
                    break;
                }
        }
    }
    for (int i = 0; i < n; i++) {
        if (!tab[i].in) continue;
        st->procs++;
        st->cpu += tab[i].cpu;
        st->root_cpu[tab[i].root] += tab[i].cpu;
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/io", tab[i].pid);
        FILE *f = fopen(path, "r");
        if (f) {
            double v;
            while (fgets(line, sizeof line, f)) {
                if (sscanf(line, "syscw: %lf", &v) == 1) st->syscw += v;
                else if (sscanf(line, "write_bytes: %lf", &v) == 1) st->wbytes += v;
            }
            fclose(f);
        }
        if (!mem) continue;
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", tab[i].pid);
        f = fopen(path, "r");
        if (f) {
            double v;
            while (fgets(line, sizeof line, f)) {
                if (sscanf(line, "Rss: %lf", &v) == 1) st->rss += v * 1024;
                else if (sscanf(line, "Pss: %lf", &v) == 1) st->pss += v * 1024;
                else if (sscanf(line, "Anonymous: %lf", &v) == 1) st->anon += v * 1024;
            }
            fclose(f);
        }
    }
}

static double self_cpu(void) {
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    return (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec * 1e-6 +
                  (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec * 1e-6;
}

static double loadavg1(void) {
    double v = -1;
    FILE *f = fopen("/proc/loadavg", "r");
    if (f) {
        if (fscanf(f, "%lf", &v) != 1) v = -1;
        fclose(f);
    }
    return v;
}

/* machine-wide busy CPU seconds, to see how much others used meanwhile */
static double machine_busy(void) {
    double u = 0, n = 0, s = 0, id, io, irq = 0, sirq = 0;
    FILE *f = fopen("/proc/stat", "r");
    if (f) {
        if (fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf", &u, &n, &s, &id, &io, &irq, &sirq) != 7) u = 0;
        fclose(f);
    }
    return (u + n + s + irq + sirq) / clk_tck;
}

/* --------------------------------------------------------------- options */

enum { TLS_NONE, TLS_START, TLS_DIRECT };
enum { M_AUTO, M_PLAIN, M_SHA1, M_SHA256 };

static struct {
    const char *mode;
    const char *host[2], *domain[2];
    int port[2];
    const char *prefix, *password, *resource, *label;
    int from;
    int n, conc;
    int tls, sasl;
    double hold, settle, seconds, quiet, stall;
    bool sm, sm_resume, no_presence, cross, to_full, abrupt, verbose, release, publish;
    int sm_every;
    int pairs, window, body, page;
    long messages;
    double rate;
    int warmup;
    int recipients, senders;
    int contacts, toggles;
    int occupants;
    const char *room, *muc_domain, *between, *scram_cache, *kill_pid, *phase, *ack_file;
    long kill_at;
    int srcs_per;
} o = {
        .host = {"127.0.0.1", NULL}, .domain = {"a.test", "b.test"}, .port = {5222, 0},
        .prefix = "user", .password = "secret", .resource = "load", .label = "",
        .n = 100, .conc = 64, .tls = TLS_START, .sasl = M_AUTO, .hold = 0, .settle = 1, .quiet = 3,
        .stall = 15, .sm_every = 5, .pairs = 200, .window = 5, .body = 100, .page = 50, .warmup = 5,
        .recipients = 1000, .senders = 10, .contacts = 100, .toggles = 200, .occupants = 100,
        .room = "room", .srcs_per = 4000, .kill_at = -1, .phase = "both",
};

/* ----------------------------------------------------------- connections */

enum {
    S_IDLE, S_CONNECTING, S_HANDSHAKE, S_FEATURES, S_PROCEED, S_AUTH, S_BIND, S_SESSION, S_SM,
    S_REGISTER, S_READY, S_DEAD
};

typedef struct scram {
    int hash; /* M_SHA1 / M_SHA256 */
    char cnonce[32];
    unsigned char sig[32];
    int siglen;
} scram;

typedef struct conn {
    int fd;
    uint8_t state, side, instream, dirty;
    uint8_t tlsdone, authed, session_req, sm_offered, sm_on, wantwrite, closing;
    SSL *ssl;
    char *in;
    uint32_t inlen, incap;
    char *out;
    uint32_t outlen, outoff, outcap;
    uint32_t user, idx;
    uint64_t t0;
    uint32_t sm_in, sm_out, sm_acked, sm_unreq;
    scram *sc;
    char *jid;
    void *data;
} conn;

static int ep;
static SSL_CTX *sslctx;
static conn *conns;
static int n_conns;
static conn **dirty;
static int n_dirty, cap_dirty;

static uint64_t st_rx_stanzas, st_rx_bytes, st_tx_bytes, st_ready, st_failed, st_dropped, st_iq_replied;
static int inflight;
static hist h_login;
static char last_error[512];
static char tls_desc[128] = "none", sasl_desc[32] = "";

static void (*on_ready)(conn *);
static void (*on_stanza)(conn *, char *, size_t); /* stanzas in state READY, NUL-terminated */
static void (*on_smack)(conn *);                  /* sm_acked moved */
static void (*on_drop)(conn *);
static void (*on_features)(conn *, char *);       /* register mode */
static void (*on_register)(conn *, char *, size_t); /* stanzas in state REGISTER */
static void (*on_extra)(conn *);                  /* a stanza that the mode did not send itself */

static void note_error(const conn *c, const char *what, const char *detail, size_t n) {
    if (n > 300) n = 300;
    snprintf(last_error, sizeof last_error, "user%u state %d: %s %.*s", c->user, c->state, what, (int)n,
             detail ? detail : "");
    if (o.verbose) fprintf(stderr, "%s\n", last_error);
}

static void mark_dirty(conn *c) {
    if (c->dirty) return;
    c->dirty = 1;
    if (n_dirty == cap_dirty) {
        cap_dirty = cap_dirty ? cap_dirty * 2 : 1024;
        dirty = xrealloc(dirty, sizeof *dirty * (size_t)cap_dirty);
    }
    dirty[n_dirty++] = c;
}

static void send_raw(conn *c, const char *s, size_t n) {
    if (c->state == S_DEAD || c->fd < 0) return;
    if (c->outlen + n > c->outcap) {
        uint32_t cap = c->outcap ? c->outcap : 512;
        while (cap < c->outlen + n) cap *= 2;
        c->out = xrealloc(c->out, cap);
        c->outcap = cap;
    }
    memcpy(c->out + c->outlen, s, n);
    c->outlen += (uint32_t)n;
    mark_dirty(c);
}

static void sendf(conn *c, const char *fmt, ...) {
    char buf[8192];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof buf) die("sendf overflow");
    send_raw(c, buf, (size_t)n);
}

/* a stanza after SM was enabled: counted, and <r/> asked every sm_every */
static void send_stanza(conn *c, const char *s, size_t n) {
    send_raw(c, s, n);
    if (c->sm_on) {
        c->sm_out++;
        if (++c->sm_unreq >= (uint32_t)o.sm_every) {
            send_raw(c, "<r xmlns='urn:xmpp:sm:3'/>", 26);
            c->sm_unreq = 0;
        }
    }
}
static void sm_request(conn *c) {
    if (c->sm_on) {
        send_raw(c, "<r xmlns='urn:xmpp:sm:3'/>", 26);
        c->sm_unreq = 0;
    }
}
static void stanzaf(conn *c, const char *fmt, ...) {
    char buf[8192];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof buf) die("stanzaf overflow");
    send_stanza(c, buf, (size_t)n);
}

static void conn_close(conn *c, bool failed) {
    if (c->state == S_DEAD) return;
    int was = c->state;
    if (c->ssl) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    c->inlen = c->incap = c->outlen = c->outcap = c->outoff = 0;
    free(c->sc);
    c->sc = NULL;
    c->state = S_DEAD;
    if (was != S_READY) {
        if (inflight > 0) inflight--;
        if (failed) st_failed++;
    } else if (!c->closing) {
        st_dropped++;
    }
    if (on_drop) on_drop(c);
}

static void ep_mod(conn *c, bool w) {
    if (c->wantwrite == w) return;
    c->wantwrite = w;
    struct epoll_event ev = {.events = EPOLLIN | (w ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void conn_flush(conn *c) {
    if (c->state == S_DEAD || c->state == S_CONNECTING || c->state == S_HANDSHAKE) return;
    while (c->outoff < c->outlen) {
        ssize_t r;
        if (c->ssl) {
            r = SSL_write(c->ssl, c->out + c->outoff, (int)(c->outlen - c->outoff));
            if (r <= 0) {
                int e = SSL_get_error(c->ssl, (int)r);
                ERR_clear_error();
                if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) {
                    ep_mod(c, true);
                    return;
                }
                note_error(c, "tls write failed", NULL, 0);
                conn_close(c, true);
                return;
            }
        } else {
            r = send(c->fd, c->out + c->outoff, c->outlen - c->outoff, MSG_NOSIGNAL);
            if (r < 0) {
                if (errno == EAGAIN || errno == EINTR) {
                    ep_mod(c, true);
                    return;
                }
                note_error(c, "write failed", strerror(errno), strlen(strerror(errno)));
                conn_close(c, true);
                return;
            }
        }
        st_tx_bytes += (uint64_t)r;
        c->outoff += (uint32_t)r;
    }
    c->outoff = c->outlen = 0;
    if (o.release && c->out) {
        free(c->out);
        c->out = NULL;
        c->outcap = 0;
    }
    if (c->wantwrite) ep_mod(c, false);
}

/* ------------------------------------------------------------ XML helpers */

/* p at '<'; returns the position of the '>' that ends the tag, or NULL */
static const char *tag_end(const char *p, const char *end) {
    for (p++; p < end; p++) {
        char ch = *p;
        if (ch == '>') return p;
        if (ch == '"' || ch == '\'') {
            p = memchr(p + 1, ch, (size_t)(end - p - 1));
            if (!p) return NULL;
        }
    }
    return NULL;
}

enum { U_MORE, U_SKIP, U_OPEN, U_CLOSE, U_STANZA };

/* Finds the next unit at p.  Returns its kind, sets *len (bytes consumed). */
static int scan_unit(const char *p, const char *end, bool instream, size_t *len) {
    const char *s = p;
    if (*p != '<') {
        const char *lt = memchr(p, '<', (size_t)(end - p));
        *len = (size_t)((lt ? lt : end) - p);
        return U_SKIP;
    }
    if (end - p < 2) return U_MORE;
    if (p[1] == '?') {
        const char *e = memmem(p, (size_t)(end - p), "?>", 2);
        if (!e) return U_MORE;
        *len = (size_t)(e + 2 - p);
        return U_SKIP;
    }
    if (p[1] == '/') {
        const char *e = tag_end(p, end);
        if (!e) return U_MORE;
        *len = (size_t)(e + 1 - p);
        return U_CLOSE;
    }
    if (!instream) {
        const char *e = tag_end(p, end);
        if (!e) return U_MORE;
        *len = (size_t)(e + 1 - p);
        return U_OPEN;
    }
    int depth = 0;
    for (;;) {
        const char *lt = memchr(p, '<', (size_t)(end - p));
        if (!lt || lt + 1 >= end) return U_MORE;
        const char *e;
        if (lt[1] == '!') {
            if (end - lt >= 4 && lt[2] == '-' && lt[3] == '-') {
                e = memmem(lt, (size_t)(end - lt), "-->", 3);
                if (!e) return U_MORE;
                p = e + 3;
            } else if (end - lt >= 9 && !memcmp(lt, "<![CDATA[", 9)) {
                e = memmem(lt, (size_t)(end - lt), "]]>", 3);
                if (!e) return U_MORE;
                p = e + 3;
            } else {
                e = tag_end(lt, end);
                if (!e || end - lt < 9) return U_MORE;
                p = e + 1;
            }
            continue;
        }
        e = tag_end(lt, end);
        if (!e) return U_MORE;
        if (lt[1] == '/') depth--;
        else if (e[-1] != '/') depth++;
        p = e + 1;
        if (depth == 0) {
          *len = (size_t)(p - s);
            return U_STANZA;
        }
    }
}

/* attribute of the start tag at s (NUL-terminated text) */
static bool attr(const char *s, const char *name, const char **v, size_t *vl) {
    size_t want = strlen(name);
    const char *p = s + 1;
    while (*p && !isspace((unsigned char)*p) && *p != '>' && *p != '/') p++;
    for (;;) {
        while (isspace((unsigned char)*p)) p++;
        if (!*p || *p == '>' || *p == '/') return false;
        const char *n0 = p;
        while (*p && *p != '=' && *p != '>' && !isspace((unsigned char)*p)) p++;
        size_t nl = (size_t)(p - n0);
        while (isspace((unsigned char)*p)) p++;
        if (*p != '=') return false;
        p++;
        while (isspace((unsigned char)*p)) p++;
        char q = *p;
        if (q != '"' && q != '\'') return false;
        const char *v0 = ++p;
        p = strchr(p, q);
        if (!p) return false;
        if (nl == want && !memcmp(n0, name, nl)) {
          *v = v0;
          *vl = (size_t)(p - v0);
            return true;
        }
        p++;
    }
}
static bool attr_is(const char *s, const char *name, const char *val) {
    const char *v;
    size_t l;
    return attr(s, name, &v, &l) && l == strlen(val) && !memcmp(v, val, l);
}
/* local name of the element at s equals name */
static bool is_el(const char *s, const char *name) {
    const char *p = s + 1, *colon = NULL, *e = p;
    while (*e && !isspace((unsigned char)*e) && *e != '>' && *e != '/') {
        if (*e == ':') colon = e;
        e++;
    }
    if (colon) p = colon + 1;
    size_t l = strlen(name);
    return (size_t)(e - p) == l && !memcmp(p, name, l);
}
/* first child/descendant start tag with that local name (no prefix handling) */
static char *find_el(char *s, const char *name) {
    size_t l = strlen(name);
    for (char *p = s; (p = strchr(p, '<')); p++) {
        if (!memcmp(p + 1, name, l)) {
            char ch = p[1 + l];
            if (ch == '>' || ch == '/' || isspace((unsigned char)ch)) return p;
        }
    }
    return NULL;
}
static char *text_of(char *el, size_t *n) {
    char *e = (char *)tag_end(el, el + strlen(el));
    *n = 0;
    if (!e || e[-1] == '/') return NULL;
    e++;
    char *lt = strchr(e, '<');
    if (!lt) return NULL;
    *n = (size_t)(lt - e);
    return e;
}

/* ------------------------------------------------------------------ SCRAM */

static int b64enc(char *dst, const void *src, size_t n) {
    return EVP_EncodeBlock((unsigned char *)dst, src, (int)n);
}
static int b64dec(unsigned char *dst, size_t cap, const char *src, size_t n) {
    unsigned char tmp[4096];
    if (n == 0) return 0;
    if (n > 4000 || n % 4 || n / 4 * 3 > sizeof tmp) return -1;
    int r = EVP_DecodeBlock(tmp, (const unsigned char *)src, (int)n);
    if (r < 0) return -1;
    if (src[n - 1] == '=') r--;
    if (n > 1 && src[n - 2] == '=') r--;
    if ((size_t)r > cap) return -1;
    memcpy(dst, tmp, (size_t)r);
    return r;
}

/* cache of SaltedPassword by (hash, salt, iterations): real clients cache it too */
typedef struct {
    int hash, iter, saltlen;
    unsigned char salt[64], sp[32];
} spent;
static spent *spc;
static size_t spc_n, spc_cap; /* open addressing */
static uint64_t st_pbkdf2;

static size_t sp_hash(const unsigned char *salt, int n, int iter) {
    size_t h = 1469598103934665603ull ^ (size_t)iter;
    for (int i = 0; i < n; i++) h = (h ^ salt[i]) * 1099511628211ull;
    return h;
}
static void sp_put(const spent *e) {
    if ((spc_n + 1) * 2 > spc_cap) {
        spent *old = spc;
        size_t oc = spc_cap;
        spc_cap = oc ? oc * 2 : 1024;
        spc = xcalloc(spc_cap, sizeof *spc);
        spc_n = 0;
        for (size_t i = 0; i < oc; i++)
            if (old[i].hash) sp_put(&old[i]);
        free(old);
    }
    size_t i = sp_hash(e->salt, e->saltlen, e->iter) & (spc_cap - 1);
    while (spc[i].hash) i = (i + 1) & (spc_cap - 1);
    spc[i] = *e;
    spc_n++;
}
static const unsigned char *salted_password(int hash, const unsigned char *salt, int sl, int iter) {
    if (spc_cap) {
        size_t i = sp_hash(salt, sl, iter) & (spc_cap - 1);
        for (; spc[i].hash; i = (i + 1) & (spc_cap - 1))
            if (spc[i].hash == hash && spc[i].iter == iter && spc[i].saltlen == sl &&
                !memcmp(spc[i].salt, salt, (size_t)sl))
                return spc[i].sp;
    }
    static spent e;
    memset(&e, 0, sizeof e);
    e.hash = hash;
    e.iter = iter;
    e.saltlen = sl;
    memcpy(e.salt, salt, (size_t)sl);
    int dl = hash == M_SHA1 ? 20 : 32;
    PKCS5_PBKDF2_HMAC(o.password, (int)strlen(o.password), salt, sl, iter,
                      hash == M_SHA1 ? EVP_sha1() : EVP_sha256(), dl, e.sp);
    st_pbkdf2++;
    sp_put(&e);
    return e.sp;
}
static void sp_load(void) {
    if (!o.scram_cache) return;
    FILE *f = fopen(o.scram_cache, "rb");
    if (!f) return;
    spent e;
    while (fread(&e, sizeof e, 1, f) == 1)
        if (e.hash && e.saltlen <= 64) sp_put(&e);
    fclose(f);
}
static void sp_save(void) {
    if (!o.scram_cache || !st_pbkdf2) return;
    FILE *f = fopen(o.scram_cache, "wb");
    if (!f) return;
    for (size_t i = 0; i < spc_cap; i++)
        if (spc[i].hash) fwrite(&spc[i], sizeof spc[i], 1, f);
    fclose(f);
}

static void username(char *b, size_t n, uint32_t u) { snprintf(b, n, "%s%u", o.prefix, u); }

static void auth_start(conn *c, char *feat) {
    int m = o.sasl;
    bool s1 = strstr(feat, ">SCRAM-SHA-1<"), s256 = strstr(feat, ">SCRAM-SHA-256<"),
              pl = strstr(feat, ">PLAIN<");
    if (m == M_AUTO) m = s256 ? M_SHA256 : s1 ? M_SHA1 : M_PLAIN;
    if ((m == M_PLAIN && !pl) || (m == M_SHA1 && !s1) || (m == M_SHA256 && !s256)) {
        note_error(c, "SASL mechanism not offered in", feat, strlen(feat));
        conn_close(c, true);
        return;
    }
    char user[64];
    username(user, sizeof user, c->user);
    char b64[512];
    if (m == M_PLAIN) {
        char raw[256];
        int n = snprintf(raw, sizeof raw, "%c%s%c%s", 0, user, 0, o.password);
        b64enc(b64, raw, (size_t)n);
        sendf(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", b64);
        strcpy(sasl_desc, "PLAIN");
    } else {
        c->sc = xcalloc(1, sizeof *c->sc);
        c->sc->hash = m;
        unsigned char rnd[15];
        RAND_bytes(rnd, sizeof rnd);
        b64enc(c->sc->cnonce, rnd, sizeof rnd);
        char raw[256];
        int n = snprintf(raw, sizeof raw, "n,,n=%s,r=%s", user, c->sc->cnonce);
        b64enc(b64, raw, (size_t)n);
        const char *nm = m == M_SHA1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
        sendf(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>", nm, b64);
        strcpy(sasl_desc, nm);
    }
    c->state = S_AUTH;
}

static void auth_challenge(conn *c, char *s) {
    size_t n;
    char *t = text_of(s, &n);
    unsigned char sf[2048];
    int sl = t ? b64dec(sf, sizeof sf - 1, t, n) : -1;
    if (sl < 0 || !c->sc) {
        note_error(c, "bad challenge", s, strlen(s));
        conn_close(c, true);
        return;
    }
    sf[sl] = 0;
    char *r = strstr((char *)sf, "r="), *sa = strstr((char *)sf, ",s="), *it = strstr((char *)sf, ",i=");
    if (!r || !sa || !it || it < sa) {
        note_error(c, "bad server-first", (char *)sf, (size_t)sl);
        conn_close(c, true);
        return;
    }
    size_t rl = strcspn(r + 2, ",");
    unsigned char salt[64];
    int saltlen = b64dec(salt, sizeof salt, sa + 3, strcspn(sa + 3, ","));
    int iter = atoi(it + 3);
    if (saltlen <= 0 || iter < 1 || iter > 1000000 || rl > 512 ||
        strncmp(r + 2, c->sc->cnonce, strlen(c->sc->cnonce))) {
        note_error(c, "bad server-first", (char *)sf, (size_t)sl);
        conn_close(c, true);
        return;
    }
    const EVP_MD *md = c->sc->hash == M_SHA1 ? EVP_sha1() : EVP_sha256();
    unsigned dl = c->sc->hash == M_SHA1 ? 20 : 32, l;
    const unsigned char *sp = salted_password(c->sc->hash, salt, saltlen, iter);
    unsigned char ck[32], stored[32], sig[32], sk[32];
    HMAC(md, sp, (int)dl, (const unsigned char *)"Client Key", 10, ck, &l);
    EVP_Digest(ck, dl, stored, &l, md, NULL);
    char user[64], nofin[640], am[4096];
    username(user, sizeof user, c->user);
    snprintf(nofin, sizeof nofin, "c=biws,r=%.*s", (int)rl, r + 2);
    int aml = snprintf(am, sizeof am, "n=%s,r=%s,%s,%s", user, c->sc->cnonce, (char *)sf, nofin);
    HMAC(md, stored, (int)dl, (unsigned char *)am, (size_t)aml, sig, &l);
    for (unsigned i = 0; i < dl; i++) ck[i] ^= sig[i];
    HMAC(md, sp, (int)dl, (const unsigned char *)"Server Key", 10, sk, &l);
    HMAC(md, sk, (int)dl, (unsigned char *)am, (size_t)aml, c->sc->sig, &l);
    c->sc->siglen = (int)dl;
    char proof[64], msg[800], b64[1200];
    b64enc(proof, ck, dl);
    int ml = snprintf(msg, sizeof msg, "%s,p=%s", nofin, proof);
    b64enc(b64, msg, (size_t)ml);
    sendf(c, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", b64);
}

static bool auth_verify(conn *c, char *s) {
    if (!c->sc) return true;
    size_t n;
    char *t = text_of(s, &n);
    unsigned char sf[512], v[64];
    int sl = t ? b64dec(sf, sizeof sf - 1, t, n) : -1;
    if (sl < 2) return false;
    sf[sl] = 0;
    char *p = strstr((char *)sf, "v=");
    if (!p) return false;
    int vl = b64dec(v, sizeof v, p + 2, strcspn(p + 2, ","));
    return vl == c->sc->siglen && !memcmp(v, c->sc->sig, (size_t)vl);
}

/* --------------------------------------------------------- login machine */

static void stream_open(conn *c) {
    c->instream = 0;
    c->inlen = 0;
    c->state = S_FEATURES;
    sendf(c,
          "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' "
          "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
          o.domain[c->side]);
}

/* What a client wants of others' nodes it says with its capabilities (XEP-0115), here of one node (XEP-0163). */
#define NODE "urn:example:load"
#define CAPS_NODE "https://example.org/xmppload"
#define CAPS "http://jabber.org/protocol/caps"
#define DISCO "http://jabber.org/protocol/disco#info"

static const char *caps_hash(void) {
    static char text[64];
    if (!text[0]) {
        static const char of[] = "client/pc//xmppload<" CAPS "<" DISCO "<" NODE "+notify<";
        unsigned char sum[20];
        SHA1((const unsigned char *)of, sizeof of - 1, sum);
        text[b64enc(text, sum, sizeof sum)] = 0;
    }
    return text;
}

static void answer_disco(conn *c, const char *s, const char *id, int il, const char *to) {
    const char *q = strstr(s, "<query"), *node = NULL;
    size_t nl = 0;
    char of[600] = "";
    if (q && attr(q, "node", &node, &nl)) snprintf(of, sizeof of, " node='%.*s'", (int)nl, node);
    stanzaf(c,
            "<iq type='result' id='%.*s'%s><query xmlns='" DISCO "'%s><identity category='client' type='pc' "
            "name='xmppload'/><feature var='" CAPS "'/><feature var='" DISCO "'/><feature var='" NODE "+notify'/>"
            "</query></iq>",
            il, id, to, of);
}

static void become_ready(conn *c) {
    c->state = S_READY;
    inflight--;
    st_ready++;
    hist_add(&h_login, now_ns() - c->t0);
    free(c->sc);
    c->sc = NULL;
    if (!o.no_presence && o.publish) {
        stanzaf(c, "<presence><c xmlns='" CAPS "' hash='sha-1' node='" CAPS_NODE "' ver='%s'/></presence>", caps_hash());
    } else if (!o.no_presence) {
        send_stanza(c, "<presence/>", 11);
    }
    if (on_ready) on_ready(c);
}

static void after_bind(conn *c) {
    if (o.sm && c->sm_offered) {
        c->state = S_SM;
        sendf(c, "<enable xmlns='urn:xmpp:sm:3'%s/>", o.sm_resume ? " resume='true'" : "");
    } else
        become_ready(c);
}

static void login_stanza(conn *c, char *s, size_t n) {
    switch (c->state) {
    case S_REGISTER:
        if (is_el(s, "error")) break;
        on_register(c, s, n);
        return;
    case S_FEATURES:
        if (!is_el(s, "features")) break;
        if (!c->authed) {
            if (o.tls == TLS_START && !c->tlsdone) {
                if (!strstr(s, "urn:ietf:params:xml:ns:xmpp-tls")) {
                    note_error(c, "no starttls in", s, n);
                    conn_close(c, true);
                    return;
                }
                sendf(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
                c->state = S_PROCEED;
                return;
            }
            if (on_features) {
                on_features(c, s);
                return;
            }
            auth_start(c, s);
            return;
        }
        {
            char *se = find_el(s, "session");
            c->session_req = 0;
            if (se) {
                char *close = strstr(se, "</session>");
                char *opt = strstr(se, "<optional");
                const char *te = tag_end(se, se + strlen(se));
                bool selfclosed = te && te[-1] == '/';
                c->session_req = selfclosed || !(opt && close && opt < close);
            }
            c->sm_offered = strstr(s, "urn:xmpp:sm:3") != NULL;
            if (!find_el(s, "bind")) {
                note_error(c, "no bind in", s, n);
                conn_close(c, true);
                return;
            }
            c->state = S_BIND;
            sendf(c,
                  "<iq type='set' id='bind1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  "<resource>%s</resource></bind></iq>",
                  o.resource);
        }
        return;
    case S_PROCEED:
        if (is_el(s, "proceed")) {
            c->state = S_HANDSHAKE; /* the reader switches to TLS */
            return;
        }
        break;
    case S_AUTH:
        if (is_el(s, "challenge")) {
            auth_challenge(c, s);
            return;
        }
        if (is_el(s, "success")) {
            if (!auth_verify(c, s)) {
                note_error(c, "bad server signature", s, n);
                conn_close(c, true);
                return;
            }
            c->authed = 1;
            stream_open(c);
            return;
        }
        break;
    case S_BIND:
        if (is_el(s, "iq") && attr_is(s, "id", "bind1")) {
            if (!attr_is(s, "type", "result")) break;
            char *j = find_el(s, "jid");
            size_t l;
            char *t = j ? text_of(j, &l) : NULL;
            if (t && !o.release) c->jid = strndup(t, l);
            if (c->session_req) {
                c->state = S_SESSION;
                sendf(c, "<iq type='set' id='sess1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
            } else
                after_bind(c);
            return;
        }
        break;
    case S_SESSION:
        if (is_el(s, "iq") && attr_is(s, "id", "sess1")) {
            after_bind(c);
            return;
        }
        break;
    case S_SM:
        if (is_el(s, "enabled")) {
            c->sm_on = 1;
            c->sm_in = c->sm_out = c->sm_acked = c->sm_unreq = 0;
            become_ready(c);
            return;
        }
        if (is_el(s, "failed")) {
            become_ready(c);
            return;
        }
        break;
    }
    if (is_el(s, "error") || is_el(s, "failure") || (is_el(s, "iq") && attr_is(s, "type", "error"))) {
        note_error(c, "server said", s, n);
        conn_close(c, true);
        return;
    }
    /* anything else before READY is tolerated */
}

static void ready_stanza(conn *c, char *s, size_t n) {
    if (s[1] == 'r' && is_el(s, "r")) {
        sendf(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm_in);
        return;
    }
    if (s[1] == 'a' && is_el(s, "a")) {
        const char *v;
        size_t l;
        if (attr(s, "h", &v, &l)) {
            c->sm_acked = (uint32_t)strtoul(v, NULL, 10);
            if (on_smack) on_smack(c);
        }
        return;
    }
    st_rx_stanzas++;
    if (c->sm_on && (s[1] == 'm' || s[1] == 'p' || s[1] == 'i')) c->sm_in++;
    if (s[1] == 'i' && is_el(s, "iq")) {
        bool get = attr_is(s, "type", "get"), set = attr_is(s, "type", "set");
        if (get || set) {
            const char *id = "", *from = NULL;
            size_t il = 0, fl = 0;
            attr(s, "id", &id, &il);
            attr(s, "from", &from, &fl);
            char to[1200] = "";
            if (from) snprintf(to, sizeof to, " to='%.*s'", (int)fl, from);
            st_iq_replied++;
            if (on_extra) on_extra(c);
            if (get && o.publish && strstr(s, DISCO)) answer_disco(c, s, id, (int)il, to);
            else if ((set && strstr(s, "jabber:iq:roster")) || strstr(s, "urn:xmpp:ping"))
                stanzaf(c, "<iq type='result' id='%.*s'%s/>", (int)il, id, to);
            else
                stanzaf(c,
                        "<iq type='error' id='%.*s'%s><error type='cancel'><service-unavailable "
                        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                        (int)il, id, to);
            return;
        }
    }
    if (is_el(s, "error") && !strncmp(s, "<stream:", 8)) {
        note_error(c, "stream error", s, n);
        conn_close(c, true);
        return;
    }
    if (on_stanza) on_stanza(c, s, n);
}

/* ----------------------------------------------------------------- input */

static char *rbuf;
static size_t rcap = 1 << 18;

/* consume units in [p,end); returns bytes consumed.  p[end] must be writable */
static size_t consume(conn *c, char *buf, size_t n) {
    size_t off = 0;
    while (off < n) {
        size_t len = 0;
        int k = scan_unit(buf + off, buf + n, c->instream, &len);
        if (k == U_MORE) break;
        if (k == U_OPEN) c->instream = 1;
        else if (k == U_CLOSE) {
            if (!c->closing) note_error(c, "server closed the stream", NULL, 0);
            conn_close(c, true);
            return n;
        } else if (k == U_STANZA) {
            char save = buf[off + len];
            buf[off + len] = 0;
            int before = c->state;
            if (c->state == S_READY) ready_stanza(c, buf + off, len);
            else login_stanza(c, buf + off, len);
            buf[off + len] = save;
            if (c->state == S_DEAD) return n;
            if (c->state == S_HANDSHAKE && before == S_PROCEED) return n;
        }
        off += len;
    }
    return off;
}

static void start_tls(conn *c) {
    c->ssl = SSL_new(sslctx);
    if (!c->ssl) die("SSL_new");
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, o.domain[c->side]);
    SSL_set_connect_state(c->ssl);
    c->state = S_HANDSHAKE;
}

static void do_handshake(conn *c) {
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        c->tlsdone = 1;
        if (tls_desc[0] == 'n')
            snprintf(tls_desc, sizeof tls_desc, "%s %s", SSL_get_version(c->ssl),
                     SSL_get_cipher_name(c->ssl));
        ep_mod(c, false);
        stream_open(c);
        return;
    }
    int e = SSL_get_error(c->ssl, r);
    if (e == SSL_ERROR_WANT_READ) ep_mod(c, false);
    else if (e == SSL_ERROR_WANT_WRITE) ep_mod(c, true);
    else {
        unsigned long er = ERR_peek_error();
        char b[200] = "";
        if (er) ERR_error_string_n(er, b, sizeof b);
        ERR_clear_error();
        note_error(c, "TLS handshake failed", b, strlen(b));
        conn_close(c, true);
    }
}

static void conn_readable(conn *c) {
    for (;;) {
        if (c->state == S_HANDSHAKE) {
            if (!c->ssl) start_tls(c);
            do_handshake(c);
            if (c->state != S_FEATURES) return;
            if (!SSL_has_pending(c->ssl)) return;
        }
        if (c->inlen + 65536 + 1 > rcap) {
            if (c->inlen > (64u << 20)) {
                note_error(c, "stanza too large", NULL, 0);
                conn_close(c, true);
                return;
            }
            rcap *= 2;
            rbuf = xrealloc(rbuf, rcap);
        }
        if (c->inlen) memcpy(rbuf, c->in, c->inlen);
        size_t room = rcap - 1 - c->inlen;
        ssize_t r;
        bool more = false;
        if (c->ssl) {
            r = SSL_read(c->ssl, rbuf + c->inlen, (int)room);
            if (r <= 0) {
                int e = SSL_get_error(c->ssl, (int)r);
                ERR_clear_error();
                if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return;
                if (!c->closing) note_error(c, "tls connection closed by server", NULL, 0);
                conn_close(c, true);
                return;
            }
            more = SSL_has_pending(c->ssl);
        } else {
            r = recv(c->fd, rbuf + c->inlen, room, 0);
            if (r < 0 && (errno == EAGAIN || errno == EINTR)) return;
            if (r <= 0) {
                if (!c->closing) note_error(c, "connection closed by server", NULL, 0);
                conn_close(c, true);
                return;
            }
            more = (size_t)r == room;
        }
        st_rx_bytes += (uint64_t)r;
        size_t n = c->inlen + (size_t)r;
        c->inlen = 0; /* stream_open() may reset it too: leftovers are decided below */
        int st0 = c->state;
        size_t used = consume(c, rbuf, n);
        if (c->state == S_DEAD) return;
        size_t left = n - used;
        if (c->state == S_FEATURES && st0 == S_AUTH) left = 0; /* stream restart */
        if (left) {
            if (c->incap < left) {
                c->in = xrealloc(c->in, left + 256);
                c->incap = (uint32_t)left + 256;
            }
            memcpy(c->in, rbuf + used, left);
            c->inlen = (uint32_t)left;
        } else if (o.release && c->in) {
            free(c->in);
            c->in = NULL;
            c->incap = 0;
        }
        if (c->state == S_HANDSHAKE) {
            c->inlen = 0;
            continue;
        }
        if (!more) return;
    }
}

static void conn_event(conn *c, uint32_t ev) {
    if (c->state == S_DEAD) return;
    if (c->state == S_CONNECTING) {
        int err = 0;
        socklen_t l = sizeof err;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
        if (err) {
            note_error(c, "connect", strerror(err), strlen(strerror(err)));
            conn_close(c, true);
            return;
        }
        c->wantwrite = 1;
        ep_mod(c, false);
        if (o.tls == TLS_DIRECT) {
            start_tls(c);
            do_handshake(c);
        } else
            stream_open(c);
        return;
    }
    if (ev & EPOLLOUT) {
        if (c->state == S_HANDSHAKE) do_handshake(c);
        else mark_dirty(c);
    }
    if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) conn_readable(c);
}

static void flush_all(void) {
    for (int i = 0; i < n_dirty; i++) {
        conn *c = dirty[i];
        c->dirty = 0;
        conn_flush(c);
    }
    n_dirty = 0;
}

static void loop_once(int timeout_ms) {
    struct epoll_event ev[512];
    flush_all();
    int n = epoll_wait(ep, ev, 512, timeout_ms);
    for (int i = 0; i < n; i++) conn_event(ev[i].data.ptr, ev[i].events);
    flush_all();
}

static void run_for(double secs) {
    uint64_t end = now_ns() + (uint64_t)(secs * 1e9);
    for (;;) {
        uint64_t t = now_ns();
        if (t >= end) return;
        uint64_t ms = (end - t) / 1000000 + 1;
        loop_once(ms > 100 ? 100 : (int)ms);
    }
}

static uint64_t src_seq;

static void conn_start(conn *c) {
    c->t0 = now_ns();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, o.host[c->side], &a.sin_addr) != 1) die("bad host %s", o.host[c->side]);
    if ((ntohl(a.sin_addr.s_addr) >> 24) != 127) die("only loopback hosts are allowed");
    a.sin_port = htons((uint16_t)o.port[c->side]);
    struct sockaddr_in src = {.sin_family = AF_INET};
    uint64_t k = src_seq++ / (uint64_t)o.srcs_per;
    src.sin_addr.s_addr = htonl(0x7f000001u + (uint32_t)(k % 200));
#ifdef IP_BIND_ADDRESS_NO_PORT
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
#endif
    if (bind(c->fd, (struct sockaddr *)&src, sizeof src) < 0) die("bind: %s", strerror(errno));
    c->state = S_CONNECTING;
    inflight++;
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
        note_error(c, "connect", strerror(errno), strlen(strerror(errno)));
        conn_close(c, true);
        return;
    }
    c->wantwrite = 1;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0) die("epoll_ctl: %s", strerror(errno));
}

static void conns_alloc(int n) {
    conns = xcalloc((size_t)n, sizeof *conns);
    n_conns = n;
    for (int i = 0; i < n; i++) conns[i].fd = -1;
}

/* start conns[from..to) at bounded concurrency; returns seconds taken */
static double login_range(int from, int to) {
    uint64_t t0 = now_ns(), lastprog = t0;
    uint64_t lastready = st_ready + st_failed;
    int next = from;
    while (next < to || inflight > 0) {
        while (next < to && inflight < o.conc) conn_start(&conns[next++]);
        loop_once(100);
        uint64_t t = now_ns();
        if (st_ready + st_failed != lastready) {
            lastready = st_ready + st_failed;
            lastprog = t;
        }
        if ((double)(t - lastprog) > o.stall * 1e9) {
            fprintf(stderr, "login stalled: %d in flight, last error: %s\n", inflight, last_error);
            for (int i = from; i < to; i++)
                if (conns[i].state > S_IDLE && conns[i].state < S_READY) conn_close(&conns[i], true);
            break;
        }
        if (st_failed > 200 && st_failed > st_ready) {
            fprintf(stderr, "too many failed logins, last error: %s\n", last_error);
            break;
        }
    }
    return (double)(now_ns() - t0) / 1e9;
}

static void logout_all(void) {
    if (o.abrupt) return;
    int live = 0;
    for (int i = 0; i < n_conns; i++) {
        conn *c = &conns[i];
        if (c->state == S_READY) {
            c->closing = 1;
            send_raw(c, "</stream:stream>", 16);
            live++;
        }
        if (i % 512 == 511) loop_once(0);
    }
    uint64_t end = now_ns() + (uint64_t)(3e9 + (double)live * 0.5e6);
    uint64_t last = now_ns();
    int lastopen = -1;
    while (now_ns() < end) {
        loop_once(50);
        int open = 0;
        for (int i = 0; i < n_conns; i++) open += conns[i].state == S_READY;
        if (!open) break;
        if (open != lastopen) {
            lastopen = open;
            last = now_ns();
        } else if (now_ns() - last > 5000000000ull)
            break;
    }
}

static char bodybuf[70000];

static void bare(char *b, size_t n, uint32_t u, int side) {
    snprintf(b, n, "%s%u@%s", o.prefix, u, o.domain[side]);
}

/* ------------------------------------------------------ common reporting */

typedef struct {
    srvstat s;
    double self, busy, load;
    uint64_t t;
} snap;

static void take(snap *x, bool mem) {
    srv_sample(&x->s, mem);
    x->self = self_cpu();
    x->busy = machine_busy();
    x->load = loadavg1();
    x->t = now_ns();
}

static double start_load;

static void report_begin(void) {
    js_str("mode", o.mode);
    if (o.label[0]) js_str("label", o.label);
    js_str("tls", tls_desc);
    js_str("sasl", sasl_desc);
    js_num("sm", o.sm);
    js_num("loadavg_at_start", start_load);
    js_num("failed_logins", (double)st_failed);
    js_num("dropped_conns", (double)st_dropped);
}

static void report_interval(const char *unit, double count, const snap *a, const snap *b) {
    double secs = (double)(b->t - a->t) / 1e9;
    double scpu = b->s.cpu - a->s.cpu, ccpu = b->self - a->self, busy = b->busy - a->busy;
    double rate = secs > 0 ? count / secs : 0;
    printf("%s: %.0f in %.3f s = %.0f/s wall (noisy)\n", unit, count, secs, rate);
    js_num("count", count);
    js_num("seconds", secs);
    js_num("rate_per_s", rate);
    if (n_srv_roots) {
        double us = count > 0 ? scpu / count * 1e6 : 0;
        printf("server CPU: %.2f s = %.2f us per %s (%.0f%% of one core); %s per server CPU second: %.0f\n",
               scpu, us, unit, secs > 0 ? scpu / secs * 100 : 0, unit, scpu > 0 ? count / scpu : 0);
        printf("server write syscalls %.0f (%.2f per %s), bytes to storage %.0f\n", b->s.syscw - a->s.syscw,
               count > 0 ? (b->s.syscw - a->s.syscw) / count : 0, unit, b->s.wbytes - a->s.wbytes);
        js_num("server_cpu_s", scpu);
        js_num("server_cpu_us_per", us);
        if (n_srv_roots > 1) {
            printf("of that per server:");
            for (int i = 0; i < n_srv_roots; i++) {
                double each = count > 0 ? (b->s.root_cpu[i] - a->s.root_cpu[i]) / count * 1e6 : 0;
                char k[40];
                snprintf(k, sizeof k, "server%d_cpu_us_per", i + 1);
                printf(" %.2f us", each);
                js_num(k, each);
            }
            printf("\n");
        }
        js_num("server_write_bytes", b->s.wbytes - a->s.wbytes);
    }
    printf("client CPU: %.2f s = %.2f us per %s; other CPU on the machine meanwhile: %.2f s\n", ccpu,
           count > 0 ? ccpu / count * 1e6 : 0, unit, busy - scpu - ccpu);
    js_num("client_cpu_s", ccpu);
    js_num("other_cpu_s", busy - scpu - ccpu);
}

static void report_lat(const char *name, const hist *h) {
    printf("%s latency ms: p50 %.3f p99 %.3f p99.9 %.3f max %.3f (n=%llu)\n", name, hist_q(h, .5) / 1e6,
           hist_q(h, .99) / 1e6, hist_q(h, .999) / 1e6, (double)h->max / 1e6, (unsigned long long)h->n);
    js_num("p50_ms", hist_q(h, .5) / 1e6);
    js_num("p99_ms", hist_q(h, .99) / 1e6);
    js_num("p999_ms", hist_q(h, .999) / 1e6);
    js_num("max_ms", (double)h->max / 1e6);
}

static int report_end(int rc) {
    if (last_error[0]) {
        printf("last error: %s\n", last_error);
        js_str("last_error", last_error);
    }
    js_num("rc", rc);
    js_raw("}");
    printf("%s\n", json_buf);
    fflush(stdout);
    return rc;
}

/* --------------------------------------------------------- mode: register */

static uint32_t reg_next, reg_end;
static uint64_t reg_ok, reg_conflict, reg_err;

static void reg_send(conn *c) {
    if (reg_next >= reg_end) {
        c->closing = 1;
        c->state = S_READY;
        inflight--;
        send_raw(c, "</stream:stream>", 16);
        return;
    }
    c->user = reg_next++;
    char u[64];
    username(u, sizeof u, c->user);
    sendf(c,
          "<iq type='set' id='reg%u' to='%s'><query xmlns='jabber:iq:register'><username>%s</username>"
          "<password>%s</password></query></iq>",
          c->user, o.domain[c->side], u, o.password);
}
static void reg_features(conn *c, char *s) {
    (void)s;
    c->state = S_REGISTER;
    reg_send(c);
}
static void reg_answer(conn *c, char *s, size_t n) {
    if (is_el(s, "iq")) {
        if (attr_is(s, "type", "result")) reg_ok++;
        else if (strstr(s, "<conflict")) reg_conflict++;
        else {
            reg_err++;
            note_error(c, "register", s, n);
        }
        reg_send(c);
    }
}

static int mode_register(void) {
    reg_next = (uint32_t)o.from;
    reg_end = (uint32_t)(o.from + o.n);
    int nc = o.conc < o.n ? o.conc : o.n;
    conns_alloc(nc + 1000);
    on_features = reg_features;
    on_register = reg_answer;
    snap a, b;
    take(&a, false);
    int used = 0;
    for (; used < nc; used++) conn_start(&conns[used]);
    uint64_t last = now_ns(), lastn = 0;
    while (reg_ok + reg_conflict + reg_err < (uint64_t)o.n) {
        loop_once(100);
        if (inflight == 0 && used < nc + 1000 && reg_next < reg_end) conn_start(&conns[used++]);
        uint64_t k = reg_ok + reg_conflict + reg_err, t = now_ns();
        if (k != lastn) lastn = k, last = t;
        if ((double)(t - last) > o.stall * 1e9) break;
    }
    take(&b, false);
    report_begin();
    printf("registered %llu, already there %llu, errors %llu\n", (unsigned long long)reg_ok,
           (unsigned long long)reg_conflict, (unsigned long long)reg_err);
    js_num("registered", (double)reg_ok);
    js_num("conflicts", (double)reg_conflict);
    js_num("errors", (double)reg_err);
    report_interval("registration", (double)(reg_ok + reg_conflict), &a, &b);
    return report_end(reg_ok + reg_conflict == (uint64_t)o.n ? 0 : 1);
}

/* ---------------------------------------------------------- mode: connect */

static int mode_connect(void) {
    o.release = true;
    conns_alloc(o.n);
    for (int i = 0; i < o.n; i++) conns[i].user = (uint32_t)(o.from + i);
    snap a, b, c, d;
    take(&a, true);
    double secs = login_range(0, o.n);
    take(&b, false);
    double n = (double)st_ready;
    report_begin();
    js_num("n", o.n);
    js_num("concurrency", o.conc);
    report_interval("login", n, &a, &b);
    (void)secs;
    if (n_srv_roots) {
        printf("server CPU per login: %.3f ms\n", (b.s.cpu - a.s.cpu) / n * 1e3);
        js_num("server_cpu_ms_per_login", (b.s.cpu - a.s.cpu) / n * 1e3);
    }
    printf("client PBKDF2 computed %llu times\n", (unsigned long long)st_pbkdf2);
    report_lat("login", &h_login);
    run_for(o.settle);
    take(&c, false);
    uint64_t rx0 = st_rx_stanzas;
    run_for(o.hold);
    take(&d, true);
    int live = 0;
    for (int i = 0; i < o.n; i++) live += conns[i].state == S_READY;
    if (n_srv_roots && live) {
        double held = (double)(d.t - c.t) / 1e9;
        printf("held %d connections %.1f s: idle server CPU %.3f s (%.3f%% of a core), stanzas received %llu\n",
               live, held, d.s.cpu - c.s.cpu, held > 0 ? (d.s.cpu - c.s.cpu) / held * 100 : 0,
               (unsigned long long)(st_rx_stanzas - rx0));
        printf("server RSS %.1f -> %.1f MiB, PSS %.1f -> %.1f MiB: %.0f bytes PSS per connection\n",
               a.s.rss / 1048576, d.s.rss / 1048576, a.s.pss / 1048576, d.s.pss / 1048576,
               (d.s.pss - a.s.pss) / live);
        js_num("held_conns", live);
        js_num("idle_cpu_pct", held > 0 ? (d.s.cpu - c.s.cpu) / held * 100 : 0);
        js_num("rss_before", a.s.rss);
        js_num("rss_after", d.s.rss);
        js_num("pss_before", a.s.pss);
        js_num("pss_after", d.s.pss);
        js_num("pss_bytes_per_conn", (d.s.pss - a.s.pss) / live);
        printf("anonymous memory %.1f -> %.1f MiB: %.0f bytes per connection\n", a.s.anon / 1048576,
               d.s.anon / 1048576, (d.s.anon - a.s.anon) / live);
        js_num("anon_before", a.s.anon);
        js_num("anon_after", d.s.anon);
        js_num("anon_bytes_per_conn", (d.s.anon - a.s.anon) / live);
    }
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    js_num("client_maxrss", (double)ru.ru_maxrss * 1024);
    logout_all();
    return report_end(live == o.n ? 0 : 1);
}

/* ------------------------------------------------------------- mode: chat */

typedef struct {
    conn *snd, *rcv;
    char to[200];
    uint32_t sent, uniq, maxseen; /* maxseen: highest seq + 1 seen */
    uint32_t base;                /* first measured seq */
    uint8_t *bits;
    uint32_t bitcap;
} pair;

static pair *pairs;
static uint64_t ch_sent, ch_uniq, ch_dup, ch_ooo, ch_foreign, ch_errors, ch_late, ch_target;
static hist h_e2e;
static bool ch_closed; /* no further sends */
static bool ch_measure;
static uint64_t ch_deadline;

static void chat_send(pair *p) {
    char buf[4096 + sizeof bodybuf];
    int n = snprintf(buf, sizeof buf, "<message to='%s' type='chat' id='c.%u.%u.%llu'><body>%s</body></message>",
                     p->to, (unsigned)(p - pairs), p->sent, (unsigned long long)now_ns(), bodybuf);
    p->sent++;
    ch_sent++;
    send_stanza(p->snd, buf, (size_t)n);
}

static bool parse_id(const char *s, char tag, uint32_t *a, uint32_t *b, uint64_t *t) {
    const char *v;
    size_t l;
    if (!attr(s, "id", &v, &l) || l < 6 || v[0] != tag || v[1] != '.') return false;
    char *e;
    *a = (uint32_t)strtoul(v + 2, &e, 10);
    if (*e != '.') return false;
    *b = (uint32_t)strtoul(e + 1, &e, 10);
    if (*e != '.') return false;
    *t = strtoull(e + 1, &e, 10);
    return true;
}

static void chat_stanza(conn *c, char *s, size_t n) {
    if (s[1] != 'm') return;
    uint32_t pi, seq;
    uint64_t t;
    if (!parse_id(s, 'c', &pi, &seq, &t) || pi >= (uint32_t)o.pairs) {
        ch_foreign++;
        return;
    }
    if (attr_is(s, "type", "error")) {
        ch_errors++;
        note_error(c, "message bounced", s, n);
        return;
    }
    pair *p = &pairs[pi];
    if (p->rcv != c) {
        ch_foreign++;
        return;
    }
    if (seq / 8 >= p->bitcap) {
        uint32_t nc = p->bitcap ? p->bitcap : 256;
        while (nc <= seq / 8) nc *= 2;
        p->bits = xrealloc(p->bits, nc);
        memset(p->bits + p->bitcap, 0, nc - p->bitcap);
        p->bitcap = nc;
    }
    if (p->bits[seq / 8] & (1u << (seq % 8))) {
        ch_dup++;
        return;
    }
    p->bits[seq / 8] |= (uint8_t)(1u << (seq % 8));
    if (seq < p->maxseen) ch_ooo++;
    else p->maxseen = seq + 1;
    if (ch_measure && seq < p->base) { /* a warm-up message that was given up for lost */
        ch_late++;
        return;
    }
    p->uniq++;
    ch_uniq++;
    if (ch_measure) hist_add(&h_e2e, now_ns() - t);
    if (!ch_closed && (o.rate <= 0 || !ch_measure) && ch_sent < ch_target) chat_send(p);
}

static int mode_chat(void) {
    int P = o.pairs;
    conns_alloc(2 * P);
    pairs = xcalloc((size_t)P, sizeof *pairs);
    for (int i = 0; i < P; i++) {
        conn *s = &conns[2 * i], *r = &conns[2 * i + 1];
        s->user = (uint32_t)(o.from + i);
        r->user = (uint32_t)(o.from + P + i);
        s->side = 0;
        r->side = o.cross ? 1 : 0;
        s->idx = r->idx = (uint32_t)i;
        pairs[i].snd = s;
        pairs[i].rcv = r;
    }
    on_stanza = chat_stanza;
    login_range(0, 2 * P);
    if (st_failed) {
        report_begin();
        return report_end(1);
    }
    for (int i = 0; i < P; i++) {
        if (o.to_full && pairs[i].rcv->jid) snprintf(pairs[i].to, sizeof pairs[i].to, "%s", pairs[i].rcv->jid);
        else bare(pairs[i].to, sizeof pairs[i].to, pairs[i].rcv->user, pairs[i].rcv->side);
    }
    run_for(o.settle);
    /* one message across first: between two servers it sets up the link */
    double link_ms = -1;
    uint64_t t0 = now_ns();
    if (o.cross) {
        ch_target = 1;
        chat_send(&pairs[0]);
        while (!ch_uniq && !ch_errors && st_dropped == 0 && now_ns() - t0 < 60000000000ull) loop_once(20);
        link_ms = (double)(now_ns() - t0) / 1e6;
        if (!ch_uniq) {
            fprintf(stderr, "no message crossed from %s to %s in %.1f s: %s\n", o.domain[0], o.domain[1], link_ms / 1e3,
                    last_error);
            report_begin();
            js_num("link_up_ms", -1);
            return report_end(1);
        }
    }
    /* warm-up, not measured */
    ch_target = ch_sent + (uint64_t)o.warmup * (uint64_t)P;
    for (int i = 0; i < P && o.warmup; i++) chat_send(&pairs[i]);
    t0 = now_ns();
    while (ch_uniq < ch_target && now_ns() - t0 < 30000000000ull) loop_once(100);
    uint64_t warm_lost = ch_target - ch_uniq;
    run_for(0.3);
    memset(&h_e2e, 0, sizeof h_e2e);
    uint64_t base_sent = ch_sent, base_uniq = ch_uniq;
    for (int i = 0; i < P; i++) pairs[i].base = pairs[i].sent;
    ch_dup = ch_ooo = 0;
    ch_measure = true;
    ch_target = o.seconds > 0 ? UINT64_MAX : ch_sent + (uint64_t)o.messages;
    snap a, b;
    take(&a, false);
    ch_deadline = o.seconds > 0 ? a.t + (uint64_t)(o.seconds * 1e9) : UINT64_MAX;
    uint64_t last = now_ns(), lastn = ch_uniq;
    if (o.rate <= 0) {
        for (int w = 0; w < o.window; w++)
            for (int i = 0; i < P && ch_sent < ch_target; i++) chat_send(&pairs[i]);
    }
    double tick = 0;
    int rr = 0;
    for (;;) {
        uint64_t t = now_ns();
        if (!ch_closed && (t >= ch_deadline || ch_sent >= ch_target)) {
            ch_closed = true;
            last = t;
        }
        if (o.rate > 0 && !ch_closed) {
            double due = (double)(t - a.t) / 1e9 * o.rate;
            while (tick < due && ch_sent < ch_target) {
                chat_send(&pairs[rr]);
                rr = (rr + 1) % P;
                tick += 1;
            }
            loop_once(1);
        } else
            loop_once(20);
        if (ch_uniq != lastn) {
            lastn = ch_uniq;
            last = now_ns();
        }
        if (ch_closed && ch_uniq - base_uniq >= ch_sent - base_sent) break;
        if ((double)(now_ns() - last) > o.stall * 1e9) {
            fprintf(stderr, "no delivery for %.0f s, stopping\n", o.stall);
            break;
        }
    }
    take(&b, false);
    run_for(0.3); /* late duplicates */
    if (o.stall && b.t - last > 1000000000ull) b.t = last;
    double del = (double)(ch_uniq - base_uniq), snt = (double)(ch_sent - base_sent);
    report_begin();
    js_num("pairs", P);
    js_num("window", o.window);
    js_num("body", o.body);
    js_num("offered_rate", o.rate);
    js_num("sent", snt);
    js_num("delivered", del);
    js_num("lost", snt - del);
    js_num("duplicates", (double)ch_dup);
    js_num("out_of_order", (double)ch_ooo);
    js_num("bounced", (double)ch_errors);
    js_num("warmup_lost", (double)warm_lost);
    js_num("warmup_late", (double)ch_late);
    if (o.cross) {
        js_str("domains", o.domain[0]);
        json_len--;
        js_raw(" to %s\"", o.domain[1]);
        js_num("link_up_ms", link_ms);
        printf("%s to %s: first message crossed after %.1f ms\n", o.domain[0], o.domain[1], link_ms);
    }
    if (o.sm) {
        int on = 0;
        for (int i = 0; i < 2 * P; i++) on += conns[i].sm_on;
        js_num("sm_conns", on);
        printf("stream management on %d of %d connections\n", on, 2 * P);
    }
    printf("sent %.0f delivered %.0f lost %.0f duplicate %llu out-of-order %llu bounced %llu other %llu warm-up lost %llu\n",
           snt, del, snt - del, (unsigned long long)ch_dup, (unsigned long long)ch_ooo,
           (unsigned long long)ch_errors, (unsigned long long)ch_foreign, (unsigned long long)warm_lost);
    report_interval("message", del, &a, &b);
    report_lat("end-to-end", &h_e2e);
    logout_all();
    return report_end(snt == del && !ch_dup && !ch_ooo ? 0 : 1);
}

/* ---------------------------------------------------------- mode: offline */

/* per sender: its k-th stanza after presence is message number off_map[k] */
typedef struct {
    uint32_t *seq;
    uint32_t n, cap, acked; /* acked: stanzas known to be acked */
    uint32_t skip;          /* stanzas sent before the first message (presence) */
} osender;
static osender *osend;
static uint8_t *off_acked, *off_seen;
static uint64_t *off_at;
static uint16_t *off_from;     /* sender of each message */
static uint32_t *off_left;     /* messages that a recipient has not got yet */
static int off_under_way;      /* recipients who have asked and not got everything */
static uint32_t *off_rcv_last; /* per recipient and sender, last sequence seen + 1 */
static uint64_t off_sent, off_nacked, off_dup, off_uniq, off_errs, off_ooo, off_foreign;
static hist h_ack;
static bool off_killed;
static int kill_pids[16], n_kill;

static void off_fill(conn *c) {
    osender *q = c->data;
    while (!off_killed && off_sent < (uint64_t)o.messages && q->n - q->acked < (uint32_t)o.window) {
        uint32_t m = (uint32_t)off_sent++;
        if (q->n == q->cap) {
            q->cap = q->cap ? q->cap * 2 : 1024;
            q->seq = xrealloc(q->seq, sizeof *q->seq * q->cap);
        }
        q->seq[q->n++] = m;
        char to[200], buf[4096 + sizeof bodybuf];
        bare(to, sizeof to, (uint32_t)(o.from + o.senders) + m % (uint32_t)o.recipients, o.cross ? 1 : 0);
        off_from[m] = (uint16_t)(q - osend);
        off_at[m] = now_ns();
        int n = snprintf(buf, sizeof buf,
                         "<message to='%s' type='chat' id='o.%u.%u.%llu'><body>%s</body></message>", to,
                         (unsigned)(m % (uint32_t)o.recipients), m, (unsigned long long)off_at[m], bodybuf);
        send_stanza(c, buf, (size_t)n);
        if (off_sent == (uint64_t)o.messages || q->n - q->acked == (uint32_t)o.window) sm_request(c);
    }
}

static void off_extra(conn *c) {
    osender *q = c->data;
    if (!q) return;
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 1024;
        q->seq = xrealloc(q->seq, sizeof *q->seq * q->cap);
    }
    q->seq[q->n++] = UINT32_MAX; /* counted by the server, not one of our messages */
}

static void off_smack(conn *c) {
    osender *q = c->data;
    if (!q) return;
    uint32_t h = c->sm_acked; /* counts the presence too */
    uint64_t t = now_ns();
    while (q->acked + q->skip < h && q->acked < q->n) {
        uint32_t m = q->seq[q->acked++];
        if (m == UINT32_MAX) continue;
        off_acked[m] = 1;
        off_nacked++;
        hist_add(&h_ack, t - off_at[m]);
        if (n_kill && !off_killed && (int64_t)off_nacked >= (o.kill_at >= 0 ? o.kill_at : o.messages)) {
            for (int i = 0; i < n_kill; i++) kill(kill_pids[i], SIGKILL);
            off_killed = true;
        }
    }
    if (!off_killed) off_fill(c);
}

static void off_stanza(conn *c, char *s, size_t n) {
    if (s[1] != 'm') return;
    uint32_t ri, m;
    uint64_t t;
    if (!parse_id(s, 'o', &ri, &m, &t) || m >= (uint64_t)o.messages) {
        off_foreign++;
        return;
    }
    if (attr_is(s, "type", "error")) {
        off_errs++;
        note_error(c, "message bounced", s, n);
        return;
    }
    if (c->data) { /* a sender */
        off_foreign++;
        return;
    }
    if (off_seen[m]) {
        off_dup++;
        return;
    }
    off_seen[m] = 1;
    off_uniq++;
    if (off_left[c->idx] && !--off_left[c->idx]) off_under_way--;
    uint32_t *last = &off_rcv_last[c->idx * (uint32_t)o.senders + off_from[m]];
    if (m + 1 < *last) off_ooo++;
    else *last = m + 1;
}

static int mode_offline(void) {
    int S = o.senders, R = o.recipients;
    bool p1 = strcmp(o.phase, "read") != 0, p2 = strcmp(o.phase, "store") != 0;
    conns_alloc(S + R);
    osend = xcalloc((size_t)S, sizeof *osend);
    off_acked = xcalloc((size_t)o.messages, 1);
    off_seen = xcalloc((size_t)o.messages, 1);
    off_at = xcalloc((size_t)o.messages, 8);
    off_from = xcalloc((size_t)o.messages, 2);
    off_rcv_last = xcalloc((size_t)R * (size_t)S, 4);
    off_left = xcalloc((size_t)R, 4);
    for (long m = 0; m < o.messages; m++) off_left[m % R]++;
    snap a, b, c, d, e;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    int rc = 0;
    bool sm0 = o.sm;
    if (p1) {
        o.sm = true;
        for (int i = 0; i < S; i++) {
            conns[i].user = (uint32_t)(o.from + i);
            conns[i].data = &osend[i];
        }
        on_stanza = off_stanza;
        login_range(0, S);
        if (st_failed || !conns[0].sm_on) {
            fprintf(stderr, "senders could not log in with stream management: %s\n", last_error);
            report_begin();
            return report_end(1);
        }
        on_smack = off_smack;
        run_for(o.settle);
        for (int i = 0; i < S; i++) osend[i].skip = conns[i].sm_out;
        on_extra = off_extra;
        take(&a, false);
        for (int i = 0; i < S; i++) off_fill(&conns[i]);
        uint64_t last = now_ns(), lastn = 0;
        while (off_nacked < (uint64_t)o.messages && !off_killed) {
            loop_once(50);
            if (off_nacked != lastn) lastn = off_nacked, last = now_ns();
            if ((double)(now_ns() - last) > o.stall * 1e9) break;
        }
        take(&b, false);
        if (!off_killed) {
            /* CPU that the server spends after the last ack (late writes) */
            run_for(o.settle);
            snap b2;
            take(&b2, false);
            b.s = b2.s;
        } else
            run_for(0.2);
    }
    report_begin();
    if (p1) {
        js_num("messages", (double)o.messages);
        js_num("recipients", R);
        js_num("senders", S);
        js_num("window", o.window);
        js_num("acked", (double)off_nacked);
        js_num("store_bounced", (double)off_errs);
        js_num("killed", off_killed);
        printf("phase 1: sent %llu acked %llu bounced %llu%s\n", (unsigned long long)off_sent,
               (unsigned long long)off_nacked, (unsigned long long)off_errs, off_killed ? ", server killed" : "");
        if (off_killed) {
            b.s = a.s;
            printf("(server CPU not known: it was killed)\n");
        }
        report_interval("stored message", (double)off_nacked, &a, &b);
        report_lat("sm-ack", &h_ack);
        for (int i = 0; i < S; i++) conns[i].closing = 1;
        for (int i = 0; i < S; i++)
            if (conns[i].state == S_READY) {
                if (!off_killed) send_raw(&conns[i], "</stream:stream>", 16);
            }
        run_for(0.5);
        for (int i = 0; i < S; i++) conn_close(&conns[i], false);
        if (o.ack_file) {
            FILE *f = fopen(o.ack_file, "wb");
            if (f) {
                fwrite(off_acked, 1, (size_t)o.messages, f);
                fclose(f);
            }
        }
    }
    if (p1 && o.between) {
        fflush(stdout);
        int r = system(o.between);
        if (r) fprintf(stderr, "--between command returned %d\n", r);
    }
    if (p2) {
        if (!p1 && o.ack_file) {
            FILE *f = fopen(o.ack_file, "rb");
            if (f) {
                if (fread(off_acked, 1, (size_t)o.messages, f) != (size_t)o.messages) fprintf(stderr, "short ack file\n");
                fclose(f);
            }
            for (long i = 0; i < o.messages; i++) off_nacked += off_acked[i];
        }
        on_smack = NULL;
        on_extra = NULL;
        o.sm = sm0;
        on_stanza = off_stanza;
        st_dropped = 0;
        for (int i = 0; i < R; i++) {
            conns[S + i].user = (uint32_t)(o.from + S + i);
            conns[S + i].idx = (uint32_t)i;
            conns[S + i].side = o.cross ? 1 : 0;
        }
        /* server pids may have changed after a restart: CPU is then not reported */
        take(&c, false);
        uint64_t errs0 = off_errs;
        /* First everybody logs in, then everybody becomes available, which is when servers deliver: counted apart. */
        o.no_presence = true;
        login_range(S, S + R);
        run_for(o.settle);
        take(&e, false);
        uint64_t last = now_ns(), lastn = off_uniq;
        int next = 0, most = o.conc;
        while ((double)(now_ns() - last) < o.quiet * 1e9) {
            for (; next < R && off_under_way < most; next++) {
                if (conns[S + next].state != S_READY) continue;
                if (off_left[next]) off_under_way++;
                send_stanza(&conns[S + next], "<presence/>", 11);
            }
            loop_once(50);
            uint64_t t = now_ns();
            if (off_uniq + off_dup != lastn) lastn = off_uniq + off_dup, last = t;
            else if (t - last > 1000000000ull) most = R; /* what is missing does not hold up the others */
        }
        take(&d, false);
        double reading = (double)(last - e.t) / 1e9;
        uint64_t lost = 0, extra = 0;
        for (long i = 0; i < o.messages; i++) {
            lost += off_acked[i] && !off_seen[i];
            extra += !off_acked[i] && off_seen[i];
        }
        printf("phase 2: recipients %d (failed logins %llu), delivered %llu, LOST of acked %llu, duplicates %llu, "
               "unacked but delivered %llu, out of order %llu, bounced %llu, other messages %llu\n",
               R, (unsigned long long)st_failed, (unsigned long long)off_uniq, (unsigned long long)lost,
               (unsigned long long)off_dup, (unsigned long long)extra, (unsigned long long)off_ooo,
               (unsigned long long)(off_errs - errs0), (unsigned long long)off_foreign);
        js_num("delivered", (double)off_uniq);
        js_num("lost_of_acked", (double)lost);
        js_num("duplicates", (double)off_dup);
        js_num("unacked_delivered", (double)extra);
        js_num("out_of_order", (double)off_ooo);
        js_num("phase2_failed_logins", (double)st_failed);
        if (reading > 0) js_num("read_rate_per_s", (double)off_uniq / reading);
        if (n_srv_roots && d.s.cpu > c.s.cpu && off_uniq) {
            double logins = e.s.cpu - c.s.cpu, all = d.s.cpu - c.s.cpu, n = (double)off_uniq;
            printf("phase 2 server CPU: logins %.2f s, delivery %.2f s = %.2f us per message\n", logins, all - logins,
                   (all - logins) / n * 1e6);
            js_num("read_logins_cpu_s", logins);
            js_num("read_cpu_us_per", (all - logins) / n * 1e6);
            js_num("read_with_logins_cpu_us_per", all / n * 1e6);
        }
        js_num("read_seconds", (double)(d.t - c.t) / 1e9);
        js_num("read_other_cpu_s", (d.busy - c.busy) - (d.s.cpu - c.s.cpu) - (d.self - c.self));
        rc = lost || off_dup ? 1 : 0;
        o.abrupt = false;
        logout_all();
    }
    return report_end(rc);
}

/* ----------------------------------------------------------- mode: fanout */

static uint8_t *fo_both;
static uint32_t fo_hub_subscribed;
static uint64_t fo_deliv, fo_self, fo_round_deliv, fo_other;
static uint32_t fo_round;
static hist h_fan;
static bool fo_roster_got;

static int fo_user_of(const char *s, const char *a) {
    const char *v;
    size_t l;
    if (!attr(s, a, &v, &l)) return -1;
    size_t pl = strlen(o.prefix);
    if (l < pl || memcmp(v, o.prefix, pl)) return -1;
    return atoi(v + pl);
}

static void fo_stanza(conn *c, char *s, size_t n) {
    if (s[1] == 'i' && is_el(s, "iq") && attr_is(s, "id", "ros1")) {
        for (char *p = s; (p = strstr(p, "<item")); p++) {
            int u = fo_user_of(p, "jid");
            if (u >= o.from + 1 && u <= o.from + o.contacts && attr_is(p, "subscription", "both")) {
                if (!fo_both[u - o.from]) fo_hub_subscribed++;
                fo_both[u - o.from] = 1;
            }
        }
        fo_roster_got = true;
        return;
    }
    if (s[1] == 'i' && o.publish && attr_is(s, "type", "error")) note_error(c, "publishing", s, n);
    if (s[1] != 'p' && !(s[1] == 'm' && o.publish)) return;
    const char *ty;
    size_t tl;
    if (s[1] == 'p' && attr(s, "type", &ty, &tl)) {
        int u = fo_user_of(s, "from");
        if (u < 0) return;
        char j[200];
        bare(j, sizeof j, (uint32_t)u, 0);
        if (tl == 9 && !memcmp(ty, "subscribe", 9)) {
            stanzaf(c, "<presence to='%s' type='subscribed'/>", j);
            if (c->idx) stanzaf(c, "<presence to='%s' type='subscribe'/>", j);
            if (!c->idx && u >= o.from + 1 && u <= o.from + o.contacts && !fo_both[u - o.from]) {
                fo_both[u - o.from] = 1;
                fo_hub_subscribed++;
            }
        }
        return;
    }
    char *st = strstr(s, ">f.");
    if (!st) {
        fo_other++;
        return;
    }
    char *e;
    uint32_t r = (uint32_t)strtoul(st + 3, &e, 10);
    uint64_t t = strtoull(e + 1, NULL, 10);
    if (r != fo_round) {
        fo_other++;
        return;
    }
    if (c->idx == 0) {
        fo_self++;
        return;
    }
    fo_deliv++;
    fo_round_deliv++;
    hist_add(&h_fan, now_ns() - t);
}

static int mode_fanout(void) {
    int R = o.contacts;
    conns_alloc(R + 1);
    for (int i = 0; i <= R; i++) {
        conns[i].user = (uint32_t)(o.from + i);
        conns[i].idx = (uint32_t)i;
    }
    fo_both = xcalloc((size_t)R + 1, 1);
    on_stanza = fo_stanza;
    login_range(0, R + 1);
    if (st_failed) {
        report_begin();
        return report_end(1);
    }
    stanzaf(&conns[0], "<iq type='get' id='ros1'><query xmlns='jabber:iq:roster'/></iq>");
    uint64_t t0 = now_ns();
    while (!fo_roster_got && now_ns() - t0 < 10000000000ull) loop_once(50);
    int asked = 0;
    for (int i = 1; i <= R; i++) {
        if (fo_both[i]) continue;
        char j[200];
        bare(j, sizeof j, (uint32_t)(o.from + i), 0);
        stanzaf(&conns[0], "<presence to='%s' type='subscribe'/>", j);
        asked++;
        /* bounded: wait so that at most 50 subscriptions are under way */
        uint64_t w = now_ns();
        while (asked - (int)fo_hub_subscribed >= 50 && now_ns() - w < 10000000000ull &&
               (int)fo_hub_subscribed < R)
            loop_once(20);
    }
    t0 = now_ns();
    while ((int)fo_hub_subscribed < R && now_ns() - t0 < 30000000000ull) loop_once(50);
    printf("roster: %u of %d contacts subscribed both ways (%d asked now)\n", fo_hub_subscribed, R, asked);
    run_for(o.settle + (asked ? 2 : 0));
    uint64_t expect = 0, lost = 0;
    snap a, b;
    for (int pass = 0; pass < 2; pass++) { /* pass 0: warm-up */
        int K = pass ? o.toggles : (o.toggles < 5 ? 1 : 5);
        fo_deliv = fo_self = fo_other = 0;
        expect = lost = 0;
        memset(&h_fan, 0, sizeof h_fan);
        take(&a, false);
        for (int k = 0; k < K; k++) {
            fo_round++;
            fo_round_deliv = 0;
            if (o.publish)
                stanzaf(&conns[0],
                        "<iq type='set' id='p%u'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='" NODE
                        "'><item id='current'><load xmlns='" NODE "'>f.%u.%llu</load></item></publish></pubsub></iq>",
                        fo_round, fo_round, (unsigned long long)now_ns());
            else
                stanzaf(&conns[0], "<presence>%s<status>f.%u.%llu</status></presence>",
                        k % 2 ? "<show>away</show>" : "", fo_round, (unsigned long long)now_ns());
            expect += (uint64_t)R;
            uint64_t w = now_ns();
            while (fo_round_deliv < (uint64_t)R && (double)(now_ns() - w) < 5e9) loop_once(50);
            if (fo_round_deliv < (uint64_t)R) {
                lost += (uint64_t)R - fo_round_deliv;
                if (lost > (uint64_t)R * 3) break;
            }
        }
        take(&b, false);
    }
    report_begin();
    js_num("contacts", R);
    js_num("toggles", o.toggles);
    js_num("expected", (double)expect);
    js_num("delivered", (double)fo_deliv);
    js_num("lost", (double)lost);
    printf("deliveries expected %llu got %llu missing %llu (self %llu, other %llu)\n",
           (unsigned long long)expect, (unsigned long long)fo_deliv, (unsigned long long)lost,
           (unsigned long long)fo_self, (unsigned long long)fo_other);
    report_interval("delivery", (double)fo_deliv, &a, &b);
    report_lat(o.publish ? "item" : "presence", &h_fan);
    logout_all();
    return report_end(lost ? 1 : 0);
}

/* ------------------------------------------------------------ mode: pages */

/* Everybody leafs backwards through his archive (XEP-0313), page after page, and begins again at its end. */
static uint64_t pg_results, pg_pages, pg_asked, pg_target, pg_errors;
static uint32_t *pg_got; /* results of the page that comes */
static hist h_page;

static void pg_ask(conn *c, const char *before, size_t bl) {
    if (pg_asked >= pg_target) return;
    pg_asked++;
    pg_got[c->idx] = 0;
    stanzaf(c,
            "<iq type='set' id='a.%u.0.%llu'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
            "<max>%d</max><before>%.*s</before></set></query></iq>",
            c->idx, (unsigned long long)now_ns(), o.page, (int)bl, before);
}

static void pg_stanza(conn *c, char *s, size_t n) {
    if (s[1] == 'm' && strstr(s, "urn:xmpp:mam:2")) {
        pg_got[c->idx]++;
        return;
    }
    uint32_t a, b;
    uint64_t t;
    if (s[1] != 'i' || !parse_id(s, 'a', &a, &b, &t)) return;
    if (!attr_is(s, "type", "result")) {
        pg_errors++;
        note_error(c, "page", s, n);
    }
    hist_add(&h_page, now_ns() - t);
    pg_pages++;
    pg_results += pg_got[c->idx];
    char *fin = strstr(s, "<fin"), *first = find_el(s, "first");
    bool ends = !fin || !first || attr_is(fin, "complete", "true");
    size_t l = 0;
    char *id = ends ? NULL : text_of(first, &l);
    pg_ask(c, id ? id : "", id ? l : 0);
}

static int mode_pages(void) {
    conns_alloc(o.n);
    pg_got = xcalloc((size_t)o.n, sizeof *pg_got);
    for (int i = 0; i < o.n; i++) {
        conns[i].user = (uint32_t)(o.from + i);
        conns[i].idx = (uint32_t)i;
    }
    on_stanza = pg_stanza;
    o.no_presence = true;
    login_range(0, o.n);
    run_for(o.settle);
    snap a, b;
    for (int pass = 0; pass < 2; pass++) { /* pass 0: warm-up */
        pg_results = pg_pages = pg_asked = 0;
        memset(&h_page, 0, sizeof h_page);
        pg_target = pass ? (uint64_t)o.messages : (uint64_t)o.n;
        take(&a, false);
        for (int i = 0; i < o.n; i++) pg_ask(&conns[i], "", 0);
        uint64_t last = now_ns(), lastn = 0;
        while (pg_pages < pg_asked && (double)(now_ns() - last) < o.stall * 1e9) {
            loop_once(50);
            if (pg_pages != lastn) lastn = pg_pages, last = now_ns();
        }
        take(&b, false);
    }
    report_begin();
    js_num("readers", o.n);
    js_num("page", o.page);
    js_num("pages", (double)pg_pages);
    js_num("results", (double)pg_results);
    js_num("errors", (double)pg_errors);
    printf("pages asked for %llu, come %llu, errors %llu; %.1f messages a page\n", (unsigned long long)pg_asked,
           (unsigned long long)pg_pages, (unsigned long long)pg_errors,
           pg_pages ? (double)pg_results / (double)pg_pages : 0);
    /* A page that the beginning of the archive has cut short counts as what it has. */
    report_interval("page", (double)pg_results / o.page, &a, &b);
    report_lat("page", &h_page);
    logout_all();
    return report_end(pg_errors || pg_pages < pg_target || !pg_results ? 1 : 0);
}

/* -------------------------------------------------------------- mode: muc */

static uint32_t muc_joined, muc_configured;
static uint64_t muc_deliv, muc_dup, muc_msgs_done, muc_sent, muc_target, muc_err;
static uint16_t *muc_cnt; /* deliveries per message */
static hist h_muc;
static char muc_room[256];
static bool muc_meas;

static void muc_send(void) {
    conn *c = &conns[muc_sent % (uint64_t)o.occupants];
    char buf[4096 + sizeof bodybuf];
    int n = snprintf(buf, sizeof buf,
                     "<message to='%s' type='groupchat' id='g.%u.%u.%llu'><body>%s</body></message>", muc_room,
                     c->idx, (unsigned)muc_sent, (unsigned long long)now_ns(), bodybuf);
    muc_sent++;
    send_stanza(c, buf, (size_t)n);
}

static void muc_stanza(conn *c, char *s, size_t n) {
    if (s[1] == 'i' && is_el(s, "iq")) {
        if (attr_is(s, "id", "cfg1")) {
            muc_configured++;
            if (!attr_is(s, "type", "result")) note_error(c, "room config", s, n);
        }
        return;
    }
    if (s[1] == 'p') {
        if (attr_is(s, "type", "error")) {
            muc_err++;
            note_error(c, "join", s, n);
            return;
        }
        if (strstr(s, "'110'") || strstr(s, "\"110\"")) muc_joined++;
        return;
    }
    if (s[1] != 'm') return;
    uint32_t a, m;
    uint64_t t;
    if (!parse_id(s, 'g', &a, &m, &t) || m >= muc_target) return;
    if (attr_is(s, "type", "error")) {
        muc_err++;
        note_error(c, "groupchat bounced", s, n);
        return;
    }
    muc_deliv++;
    if (muc_meas) hist_add(&h_muc, now_ns() - t);
    if (++muc_cnt[m] == o.occupants) {
        muc_msgs_done++;
        if (muc_sent < muc_target) muc_send();
    } else if (muc_cnt[m] > o.occupants)
        muc_dup++;
}

static int mode_muc(void) {
    int O = o.occupants;
    char md[200];
    snprintf(md, sizeof md, "conference.%s", o.domain[0]);
    snprintf(muc_room, sizeof muc_room, "%s@%s", o.room, o.muc_domain ? o.muc_domain : md);
    conns_alloc(O);
    for (int i = 0; i < O; i++) {
        conns[i].user = (uint32_t)(o.from + i);
        conns[i].idx = (uint32_t)i;
    }
    on_stanza = muc_stanza;
    login_range(0, O);
    if (st_failed) {
        report_begin();
        return report_end(1);
    }
    snap j0, j1;
    take(&j0, false);
    for (int i = 0; i < O; i++) {
        stanzaf(&conns[i],
                "<presence to='%s/n%d'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
                muc_room, i);
        uint64_t w = now_ns();
        while ((int)muc_joined < i + 1 && now_ns() - w < 10000000000ull) loop_once(20);
        if ((int)muc_joined < i + 1) {
            fprintf(stderr, "join of occupant %d not confirmed: %s\n", i, last_error);
            report_begin();
            return report_end(1);
        }
        if (i == 0) {
            stanzaf(&conns[0],
                    "<iq type='set' id='cfg1' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                    "<x xmlns='jabber:x:data' type='submit'/></query></iq>",
                    muc_room);
            w = now_ns();
            while (!muc_configured && now_ns() - w < 5000000000ull) loop_once(20);
        }
    }
    run_for(0.3);
    take(&j1, false);
    printf("join of %d occupants: server CPU %.2f s\n", O, j1.s.cpu - j0.s.cpu);
    run_for(o.settle);
    muc_cnt = xcalloc((size_t)o.messages + 1000, sizeof *muc_cnt);
    /* warm-up of 20 messages, then the measured ones */
    snap a, b;
    uint64_t d0 = 0;
    for (int pass = 0; pass < 2; pass++) {
        muc_target += pass ? (uint64_t)o.messages : 20;
        muc_meas = pass;
        d0 = muc_deliv;
        take(&a, false);
        for (int w = 0; w < o.window && muc_sent < muc_target; w++) muc_send();
        uint64_t last = now_ns(), lastn = muc_deliv;
        while (muc_msgs_done < muc_target) {
            loop_once(50);
            if (muc_deliv != lastn) lastn = muc_deliv, last = now_ns();
            if ((double)(now_ns() - last) > o.stall * 1e9) break;
        }
        take(&b, false);
    }
    double del = (double)(muc_deliv - d0), exp = (double)o.messages * O;
    report_begin();
    js_num("occupants", O);
    js_num("messages", (double)o.messages);
    js_num("window", o.window);
    js_num("join_cpu_s", j1.s.cpu - j0.s.cpu);
    js_num("expected", exp);
    js_num("delivered", del);
    js_num("duplicates", (double)muc_dup);
    js_num("errors", (double)muc_err);
    printf("groupchat deliveries expected %.0f got %.0f duplicates %llu errors %llu\n", exp, del,
           (unsigned long long)muc_dup, (unsigned long long)muc_err);
    report_interval("delivery", del, &a, &b);
    report_lat("groupchat", &h_muc);
    logout_all();
    return report_end(del == exp ? 0 : 1);
}

/* ------------------------------------------------------------- self test */

static int selftest(void) {
    /* the scanner, fed byte by byte and whole */
    const char *in =
            "<?xml version='1.0'?><stream:stream from='a>b' id=\"x'y\" version='1.0'>"
            "<stream:features><mechanisms xmlns='m'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
            " \n<message id='1>2' to=\"a'/>\"><body>x &lt; y</body></message><presence/>"
            "<iq><query a='/'><item/><item></item><!-- <a> --><![CDATA[<b>]]></query></iq></stream:stream>";
    int want[] = {U_OPEN, U_STANZA, U_STANZA, U_STANZA, U_STANZA, U_CLOSE};
    size_t L = strlen(in);
    for (size_t step = 1; step <= L; step++) {
        size_t start = 0, have = 0;
        int k = 0;
        bool ins = false;
        while (have < L || start < have) {
            have = have + step > L ? L : have + step;
            for (;;) {
                if (start >= have) break;
                size_t len = 0;
                int u = scan_unit(in + start, in + have, ins, &len);
                if (u == U_MORE) break;
                if (u != U_SKIP) {
                    if (k >= 6 || want[k] != u) die("selftest: step %zu unit %d is %d", step, k, u);
                    k++;
                    if (u == U_OPEN) ins = true;
                }
                start += len;
            }
            if (have == L && start >= L) break;
            if (have == L && start < L) die("selftest: stuck at %zu", start);
        }
        if (k != 6) die("selftest: %d units", k);
    }
    const char *v;
    size_t l;
    if (!attr("<m a='1' b=\"2>3\" c = '4'/>", "c", &v, &l) || l != 1 || *v != '4') die("selftest attr c");
    if (!attr("<m a='1' b=\"2>3\"/>", "b", &v, &l) || l != 3) die("selftest attr b");
    if (attr("<m a='1'/><x z='1'/>", "z", &v, &l)) die("selftest attr z");
    hist h;
    memset(&h, 0, sizeof h);
    for (int i = 1; i <= 1000; i++) hist_add(&h, (uint64_t)i * 1000);
    double p50 = hist_q(&h, .5), p99 = hist_q(&h, .99);
    if (p50 < 499000 || p50 > 520000 || p99 < 985000 || p99 > 1000001) die("selftest hist %f %f", p50, p99);
    puts("selftest ok");
    return 0;
}

/* ------------------------------------------------------------------ main */

static void usage(void) {
    fputs(
        "usage: xmppload MODE [options]   MODE: register connect chat offline fanout pages muc selftest\n"
        "  --host A --port N --domain D      server (loopback only)   [127.0.0.1 5222 a.test]\n"
        "  --host-b A --port-b N --domain-b D  second server for --cross-domain\n"
        "  --user-prefix P --password W --from N   users P<N>..        [user secret 0]\n"
        "  --tls | --direct-tls | --plain    STARTTLS, TLS at connect, none  [--tls]\n"
        "  --tls-version 1.2|1.3             force one version\n"
        "  --sasl auto|PLAIN|SCRAM-SHA-1|SCRAM-SHA-256\n"
        "  --scram-cache FILE                keep salted passwords between runs\n"
        "  --resource R --no-presence --sm --sm-resume --sm-every K --abrupt\n"
        "  --server-pid P[,P..]              report CPU and memory of these process trees\n"
        "  -n N --concurrency C --hold S --settle S --stall S --per-source N   (connect, register)\n"
        "  --pairs P --window W --body B --messages M | --seconds T  --warmup K --rate R\n"
        "  --to-full                         (chat)\n"
        "  --cross-domain                    receivers are on the second server (chat, offline)\n"
        "  --senders S --recipients R --messages M --between CMD --kill-pid P[,P] --kill-at N\n"
        "  --phase both|store|read --ack-file F --quiet S     (offline)\n"
        "  --contacts R --toggles K --publish  (fanout: presence, or with --publish items of a node)\n"
        "  -n N --messages K --page P        N people leaf through K pages of their archives (pages)\n"
        "  --occupants O --room R --muc-domain D --messages K --window W (muc)\n"
        "  --label TEXT --verbose\n",
        stderr);
    exit(2);
}

static int parse_pids(const char *s, int *out, int cap) {
    int n = 0;
    while (*s && n < cap) {
        char *e;
        long v = strtol(s, &e, 10);
        if (e == s || v <= 1) die("bad pid list");
        out[n++] = (int)v;
        s = *e == ',' ? e + 1 : e;
        if (*e && *e != ',') die("bad pid list");
    }
    return n;
}

int main(int argc, char **argv) {
    enum {
        X = 1000, HOST, PORT, DOMAIN, HOSTB, PORTB, DOMAINB, PREFIX, PASS, FROM, TLS, DTLS, PLAINX, TLSV, SASL,
        CACHE, RES, NOPRES, SM, SMRES, SMEV, ABRUPT, SPID, CONC, HOLD, SETTLE, STALL, PERSRC, PAIRS, WINDOW,
        BODY, MSGS, SECS, WARM, RATE, FULL, CROSS, SENDERS, RECIP, BETWEEN, KILLPID, KILLAT, PHASE, ACKF,
        QUIET, CONTACTS, TOGGLES, PUBLISH, PAGE, OCC, ROOM, MUCD, LABEL, VERB
    };
    static const struct option lo[] = {
            {"host", 1, 0, HOST}, {"port", 1, 0, PORT}, {"domain", 1, 0, DOMAIN}, {"host-b", 1, 0, HOSTB},
            {"port-b", 1, 0, PORTB}, {"domain-b", 1, 0, DOMAINB}, {"user-prefix", 1, 0, PREFIX},
            {"password", 1, 0, PASS}, {"from", 1, 0, FROM}, {"tls", 0, 0, TLS}, {"direct-tls", 0, 0, DTLS},
            {"plain", 0, 0, PLAINX}, {"tls-version", 1, 0, TLSV}, {"sasl", 1, 0, SASL},
            {"scram-cache", 1, 0, CACHE}, {"resource", 1, 0, RES}, {"no-presence", 0, 0, NOPRES}, {"sm", 0, 0, SM},
            {"sm-resume", 0, 0, SMRES}, {"sm-every", 1, 0, SMEV}, {"abrupt", 0, 0, ABRUPT},
            {"server-pid", 1, 0, SPID}, {"concurrency", 1, 0, CONC}, {"hold", 1, 0, HOLD},
            {"settle", 1, 0, SETTLE}, {"stall", 1, 0, STALL}, {"per-source", 1, 0, PERSRC},
            {"pairs", 1, 0, PAIRS}, {"window", 1, 0, WINDOW}, {"body", 1, 0, BODY}, {"messages", 1, 0, MSGS},
            {"seconds", 1, 0, SECS}, {"warmup", 1, 0, WARM}, {"rate", 1, 0, RATE}, {"to-full", 0, 0, FULL},
            {"cross-domain", 0, 0, CROSS}, {"senders", 1, 0, SENDERS}, {"recipients", 1, 0, RECIP},
            {"between", 1, 0, BETWEEN}, {"kill-pid", 1, 0, KILLPID}, {"kill-at", 1, 0, KILLAT},
            {"phase", 1, 0, PHASE}, {"ack-file", 1, 0, ACKF}, {"quiet", 1, 0, QUIET},
            {"contacts", 1, 0, CONTACTS}, {"toggles", 1, 0, TOGGLES}, {"publish", 0, 0, PUBLISH}, {"page", 1, 0, PAGE},
            {"occupants", 1, 0, OCC},
            {"room", 1, 0, ROOM}, {"muc-domain", 1, 0, MUCD}, {"label", 1, 0, LABEL}, {"verbose", 0, 0, VERB},
            {0, 0, 0, 0}};
    if (argc < 2) usage();
    o.mode = argv[1];
    clk_tck = (double)sysconf(_SC_CLK_TCK);
    if (!strcmp(o.mode, "selftest")) return selftest();
    int tlsv = 0, ch;
    optind = 2;
    while ((ch = getopt_long(argc, argv, "n:", lo, NULL)) != -1) {
        switch (ch) {
        case 'n': o.n = atoi(optarg); break;
        case HOST: o.host[0] = optarg; break;
        case PORT: o.port[0] = atoi(optarg); break;
        case DOMAIN: o.domain[0] = optarg; break;
        case HOSTB: o.host[1] = optarg; break;
        case PORTB: o.port[1] = atoi(optarg); break;
        case DOMAINB: o.domain[1] = optarg; break;
        case PREFIX: o.prefix = optarg; break;
        case PASS: o.password = optarg; break;
        case FROM: o.from = atoi(optarg); break;
        case TLS: o.tls = TLS_START; break;
        case DTLS: o.tls = TLS_DIRECT; break;
        case PLAINX: o.tls = TLS_NONE; break;
        case TLSV: tlsv = !strcmp(optarg, "1.2") ? TLS1_2_VERSION : TLS1_3_VERSION; break;
        case SASL:
            o.sasl = !strcasecmp(optarg, "PLAIN") ? M_PLAIN : !strcasecmp(optarg, "SCRAM-SHA-1") ? M_SHA1
                          : !strcasecmp(optarg, "SCRAM-SHA-256") ? M_SHA256 : M_AUTO;
            break;
        case CACHE: o.scram_cache = optarg; break;
        case RES: o.resource = optarg; break;
        case NOPRES: o.no_presence = true; break;
        case SM: o.sm = true; break;
        case SMRES: o.sm = o.sm_resume = true; break;
        case SMEV: o.sm_every = atoi(optarg); break;
        case ABRUPT: o.abrupt = true; break;
        case SPID: n_srv_roots = parse_pids(optarg, srv_roots, 16); break;
        case CONC: o.conc = atoi(optarg); break;
        case HOLD: o.hold = atof(optarg); break;
        case SETTLE: o.settle = atof(optarg); break;
        case STALL: o.stall = atof(optarg); break;
        case PERSRC: o.srcs_per = atoi(optarg); break;
        case PAIRS: o.pairs = atoi(optarg); break;
        case WINDOW: o.window = atoi(optarg); break;
        case BODY: o.body = atoi(optarg); break;
        case MSGS: o.messages = atol(optarg); break;
        case SECS: o.seconds = atof(optarg); break;
        case WARM: o.warmup = atoi(optarg); break;
        case RATE: o.rate = atof(optarg); break;
        case FULL: o.to_full = true; break;
        case CROSS: o.cross = true; break;
        case SENDERS: o.senders = atoi(optarg); break;
        case RECIP: o.recipients = atoi(optarg); break;
        case BETWEEN: o.between = optarg; break;
        case KILLPID: n_kill = parse_pids(optarg, kill_pids, 16); break;
        case KILLAT: o.kill_at = atol(optarg); break;
        case PHASE: o.phase = optarg; break;
        case ACKF: o.ack_file = optarg; break;
        case QUIET: o.quiet = atof(optarg); break;
        case CONTACTS: o.contacts = atoi(optarg); break;
        case TOGGLES: o.toggles = atoi(optarg); break;
        case PUBLISH: o.publish = true; break;
        case PAGE: o.page = atoi(optarg); break;
        case OCC: o.occupants = atoi(optarg); break;
        case ROOM: o.room = optarg; break;
        case MUCD: o.muc_domain = optarg; break;
        case LABEL: o.label = optarg; break;
        case VERB: o.verbose = true; break;
        default: usage();
        }
    }
    if (o.n < 1 || o.n > 1000000 || o.conc < 1 || o.body < 1 || o.body > 65000 || o.pairs < 1 ||
        o.pairs > 100000 || o.window < 1 || o.page < 1 || o.sm_every < 1 || o.srcs_per < 1 || o.seconds > 3600)
        usage();
    if (!o.host[1]) o.host[1] = o.host[0];
    if (!o.port[1]) o.port[1] = o.port[0];
    if (o.cross && strcmp(o.mode, "chat") && strcmp(o.mode, "offline")) die("--cross-domain is for chat and offline");
    if (o.cross && !strcmp(o.host[0], o.host[1]) && o.port[0] == o.port[1])
        die("--cross-domain needs --host-b or --port-b");
    if (!o.messages) o.messages = !strcmp(o.mode, "muc") ? 1000 : 20000;
    if (o.messages > 100000000) usage();
    struct rlimit rl = {1048576, 1048576};
    if (setrlimit(RLIMIT_NOFILE, &rl) < 0) {
        getrlimit(RLIMIT_NOFILE, &rl);
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
    getrlimit(RLIMIT_NOFILE, &rl);
    if (!strcmp(o.mode, "connect") && (rlim_t)o.n + 32 > rl.rlim_cur)
        die("%d connections need more than the %llu open files allowed here (raising the hard limit needs CAP_SYS_RESOURCE)",
            o.n, (unsigned long long)rl.rlim_cur);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    memset(bodybuf, 'x', (size_t)o.body);
    for (int i = 7; i < o.body; i += 8) bodybuf[i] = ' ';
    bodybuf[o.body] = 0;
    rbuf = xrealloc(NULL, rcap);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (o.tls != TLS_NONE) {
        sslctx = SSL_CTX_new(TLS_client_method());
        if (!sslctx) die("SSL_CTX_new");
        SSL_CTX_set_min_proto_version(sslctx, tlsv ? tlsv : TLS1_2_VERSION);
        SSL_CTX_set_max_proto_version(sslctx, tlsv ? tlsv : TLS1_3_VERSION);
        SSL_CTX_set_verify(sslctx, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_mode(sslctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (!strcmp(o.mode, "connect")) SSL_CTX_set_mode(sslctx, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(sslctx, 1);
        SSL_CTX_set_session_cache_mode(sslctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(sslctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    }
    sp_load();
    start_load = loadavg1();
    int rc;
    if (!strcmp(o.mode, "register")) rc = mode_register();
    else if (!strcmp(o.mode, "connect")) rc = mode_connect();
    else if (!strcmp(o.mode, "chat")) rc = mode_chat();
    else if (!strcmp(o.mode, "offline")) rc = mode_offline();
    else if (!strcmp(o.mode, "fanout")) rc = mode_fanout();
    else if (!strcmp(o.mode, "pages")) rc = mode_pages();
    else if (!strcmp(o.mode, "muc")) rc = mode_muc();
    else usage();
    sp_save();
    return rc;
}
