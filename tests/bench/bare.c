/*
 * The yardstick: a client that does nothing but sign in, pipeline the FETCHes that outlookfs's
 * listing sends (sync/listing.c), and throw away what comes. Its time is what the link and the
 * server take.
 *
 *     bench_bare [-c CAFILE] [-m MAILBOX] [-w WINDOW] [-d DEPTH] [-b] HOST PORT USER
 *
 * The password is in BENCH_PASSWORD, or an access token in BENCH_TOKEN (XOAUTH2). -b fetches all
 * bodies too. Prints one JSON object; times count from before the connection is made.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bare_stream.h"

#define LISTING_ITEMS                                                                              \
    "(UID FLAGS INTERNALDATE RFC822.SIZE "                                                         \
    "BODY.PEEK[HEADER.FIELDS (DATE FROM TO SUBJECT MESSAGE-ID)])"
#define BODY_ITEMS "(UID BODY.PEEK[])"

struct bare {
    struct stream stream;
    unsigned tag, window, depth;
    unsigned exists, uidnext, messages;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned send_command(struct bare *bare, const char *text)
{
    char line[8192];
    int len = snprintf(line, sizeof line, "B%u %s\r\n", ++bare->tag, text);
    if (len < 0 || (size_t)len >= sizeof line) {
        fprintf(stderr, "bench_bare: command too long\n");
        exit(1);
    }
    stream_send(&bare->stream, line, (size_t)len);
    return bare->tag;
}

/* Reads lines until the reply with `tag`; ends the program when it is not OK. */
static void wait_for(struct bare *bare, unsigned tag)
{
    char start[24];
    int len = snprintf(start, sizeof start, "B%u ", tag);
    for (;;) {
        const char *line = stream_line(&bare->stream);
        unsigned number;
        if (strncmp(line, start, (size_t)len) == 0) {
            if (strncmp(line + len, "OK", 2) == 0)
                return;
            fprintf(stderr, "bench_bare: %s\n", line);
            exit(1);
        }
        if (sscanf(line, "* OK [UIDNEXT %u]", &number) == 1)
            bare->uidnext = number;
        else if (sscanf(line, "* %u", &number) == 1 && strstr(line, " EXISTS") != NULL)
            bare->exists = number;
        else if (sscanf(line, "* %u", &number) == 1 && strstr(line, " FETCH (") != NULL)
            bare->messages++;
        else if (line[0] == '+')
            stream_send(&bare->stream, "\r\n", 2); /* an error challenge: let it fail */
    }
}

static void sign_in(struct bare *bare, const char *user)
{
    const char *token = getenv("BENCH_TOKEN"), *password = getenv("BENCH_PASSWORD");
    char plain[4096], encoded[6000], command[6100];
    int len = token != NULL
                  ? snprintf(plain, sizeof plain, "user=%s\1auth=Bearer %s\1\1", user, token)
                  : snprintf(plain, sizeof plain, "%c%s%c%s", 0, user, 0,
                             password != NULL ? password : "");
    if (len < 0 || (size_t)len >= sizeof plain) {
        fprintf(stderr, "bench_bare: the secret is too long\n");
        exit(1);
    }
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)plain, len);
    snprintf(command, sizeof command, "AUTHENTICATE %s %s", token != NULL ? "XOAUTH2" : "PLAIN",
             encoded);
    stream_line(&bare->stream); /* the greeting */
    wait_for(bare, send_command(bare, command));
}

/* Fetches `items` of every UID, in windows, DEPTH of them under way. */
static void fetch_all(struct bare *bare, const char *items)
{
    unsigned sent = 0, first = bare->tag + 1, windows = 0;
    bare->messages = 0;
    if (bare->uidnext > 1)
        windows = (bare->uidnext - 2) / bare->window + 1;
    for (unsigned done = 0; done < windows; done++) {
        for (; sent < windows && sent - done < bare->depth; sent++) {
            char command[300];
            unsigned to = (sent + 1) * bare->window;
            snprintf(command, sizeof command, "UID FETCH %u:%u %s", sent * bare->window + 1,
                     to < bare->uidnext ? to : bare->uidnext - 1, items);
            send_command(bare, command);
        }
        wait_for(bare, first + done);
    }
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_bare [-c CAFILE] [-m MAILBOX] [-w WINDOW] [-d DEPTH] [-b] HOST "
                    "PORT USER\n");
    exit(2);
}

int main(int argc, char **argv)
{
    const char *cafile = NULL, *mailbox = "INBOX";
    static struct bare bare = {.window = 500, .depth = 4};
    bool bodies = false;
    for (int c; (c = getopt(argc, argv, "c:m:w:d:b")) != -1;) {
        switch (c) {
        case 'c':
            cafile = optarg;
            break;
        case 'm':
            mailbox = optarg;
            break;
        case 'w':
            bare.window = (unsigned)atoi(optarg);
            break;
        case 'd':
            bare.depth = (unsigned)atoi(optarg);
            break;
        case 'b':
            bodies = true;
            break;
        default:
            usage();
        }
    }
    if (argc - optind != 3 || bare.window == 0 || bare.depth == 0)
        usage();
    double start = now(), signed_in, listed, fetched;
    stream_open(&bare.stream, argv[optind], (uint16_t)atoi(argv[optind + 1]), cafile);
    sign_in(&bare, argv[optind + 2]);
    signed_in = now();
    char examine[300];
    snprintf(examine, sizeof examine, "EXAMINE \"%.200s\"", mailbox);
    wait_for(&bare, send_command(&bare, examine));
    fetch_all(&bare, LISTING_ITEMS);
    listed = now();
    unsigned messages = bare.messages;
    uint64_t listing_bytes = bare.stream.bytes;
    if (bodies)
        fetch_all(&bare, BODY_ITEMS);
    fetched = now();
    printf("{\"exists\":%u,\"messages\":%u,\"sign_in_s\":%.3f,\"list_s\":%.3f,\"list_bytes\":%llu,"
           "\"bodies_s\":%.3f,\"bytes\":%llu}\n",
           bare.exists, messages, signed_in - start, listed - start,
           (unsigned long long)listing_bytes, fetched - listed,
           (unsigned long long)bare.stream.bytes);
    return 0;
}
