/*
 * See http.h. The multi interface is used for one transfer alone, because it can wait for cancel_fd
 * beside the network. The roots are OpenSSL's own (so that SSL_CERT_FILE counts, as it does for
 * IMAP) plus cafile: libcurl's own setting would put cafile in place of them.
 *
 * libcurl is never asked to be verbose: what it would write is full of secrets. It keeps every
 * header field that it is sent, those after a chunked body (RFC 9112 section 7.1.2) without a
 * ceiling of its own, so they are counted here; of a single line beyond its ceiling it says
 * CURLE_OUT_OF_MEMORY.
 *
 * Names are looked up in a thread of libcurl's that nothing can interrupt, for many seconds where a
 * name server is silent. Without CURLOPT_QUICK_EXIT neither the bound nor cancel_fd would end the
 * exchange before that thread does; with it the thread is left to end by itself.
 */
#include "auth/http.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "auth/fail.h"

enum { CONNECT_MS = 10000, HOST_MAX = 120, HEADERS_MAX = 128 * 1024 };

void auth_http_host(const char *url, char *host, size_t size)
{
    const char *at = strstr(url, "://");
    at = at != NULL ? at + 3 : url;
    snprintf(host, size, "%.*s", (int)strcspn(at, "/?#"), at);
}

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct buffer *body = ctx;
    return buffer_append(body, data, size * count) ? size * count : 0;
}

/* Counts the bytes of all header fields in `ctx`. */
static size_t take_header(char *data, size_t size, size_t count, void *ctx)
{
    size_t *total = ctx;
    *total += size * count;
    return *total <= HEADERS_MAX ? size * count : 0;
}

static CURLcode add_roots(CURL *curl, void *context, void *cafile)
{
    (void)SSL_CTX_set_default_verify_paths(context);
    ERR_clear_error();
    if (cafile != NULL && SSL_CTX_load_verify_file(context, cafile) != 1)
        return CURLE_SSL_CACERT_BADFILE;
    return CURLE_OK;
}

static CURL *transfer(const struct auth_http *http, const char *url, const struct buffer *form,
                      struct auth_reply *reply, size_t *headers)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return NULL;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "outlookfs/" OUTLOOKFS_VERSION);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)form->len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form->data);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply->body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, headers);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, add_roots);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, http->cafile);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)http->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(http->timeout_ms < CONNECT_MS ? http->timeout_ms : CONNECT_MS));
    return curl;
}

static bool cancelled(int cancel_fd)
{
    struct pollfd fd = {.fd = cancel_fd, .events = POLLIN};
    return cancel_fd >= 0 && poll(&fd, 1, 0) == 1;
}

/* Moves bytes until the transfer has ended. CURLE_ABORTED_BY_CALLBACK: cancel_fd fired. */
static CURLcode run(CURLM *multi, int cancel_fd)
{
    struct curl_waitfd extra = {.fd = cancel_fd, .events = CURL_WAIT_POLLIN};
    int running = 1;
    while (!cancelled(cancel_fd)) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        int queued;
        const CURLMsg *message = running == 0 ? curl_multi_info_read(multi, &queued) : NULL;
        if (message != NULL)
            return message->data.result;
        if (curl_multi_poll(multi, &extra, cancel_fd >= 0, 1000, NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
    return CURLE_ABORTED_BY_CALLBACK;
}

static const struct {
    CURLcode code;
    const char *cause;
} causes[] = {
    {CURLE_COULDNT_RESOLVE_HOST,     "its name is not known; check the network and --authority"   },
    {CURLE_COULDNT_RESOLVE_PROXY,    "the proxy's name is not known; check https_proxy"           },
    {CURLE_COULDNT_CONNECT,          "it cannot be reached; check the network"                    },
    {CURLE_OPERATION_TIMEDOUT,       "it does not answer in time; check the network and try again"},
    {CURLE_PEER_FAILED_VERIFICATION,
     "its certificate is not trusted, or for another host; name its root with -o cafile=FILE"     },
    {CURLE_SSL_CONNECT_ERROR,
     "no TLS 1.2 or later can be agreed on; check --authority and try again"                      },
    {CURLE_SSL_CACERT_BADFILE,       "no root certificate can be read from cafile; check cafile=" },
    {CURLE_WRITE_ERROR,              "it answers with far too much; check --authority"            },
    {CURLE_OUT_OF_MEMORY,            "it answers with far too much, or no memory is left"         },
    {CURLE_UNSUPPORTED_PROTOCOL,     "it does not speak HTTP/1.1; check --authority"              },
    {CURLE_WEIRD_SERVER_REPLY,       "it does not speak HTTP/1.1; check --authority"              },
    {CURLE_GOT_NOTHING,              "it ends the connection without an answer; try again"        },
    {CURLE_RECV_ERROR,               "it ends the connection too early; try again"                },
    {CURLE_SEND_ERROR,               "it ends the connection too early; try again"                },
    {CURLE_PARTIAL_FILE,             "it ends the connection too early; try again"                },
};

/* `proxy` is the status that a proxy gave in place of a way to the server, or 0. */
static enum auth_error explain(CURLcode code, long proxy, const char *url, char *text)
{
    char host[HOST_MAX];
    auth_http_host(url, host, sizeof host);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return auth_fail(text, AUTH_ERR_CANCELLED, "signing in was interrupted");
    if (code == CURLE_FAILED_INIT)
        return auth_fail(text, AUTH_ERR_MEMORY, "no memory or no descriptor to sign in");
    if (proxy >= 300)
        return auth_fail(text, AUTH_ERR_NETWORK,
                         "the sign-in server %s: the proxy gives no way to it (HTTP %ld); check "
                         "https_proxy and no_proxy",
                         host, proxy);
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].code == code)
            return auth_fail(text, AUTH_ERR_NETWORK, "the sign-in server %s: %s", host,
                             causes[i].cause);
    return auth_fail(text, AUTH_ERR_NETWORK, "the sign-in server %s: %s; try again", host,
                     curl_easy_strerror(code));
}

/* An answer that is none. */
static enum auth_error check_status(const char *url, long status, char *text)
{
    char host[HOST_MAX];
    auth_http_host(url, host, sizeof host);
    if (status >= 300 && status < 400)
        return auth_fail(
            text, AUTH_ERR_NETWORK,
            "the sign-in server %s sends us elsewhere (HTTP %ld), where no token may go; "
            "check --authority",
            host, status);
    if (status == 429)
        return auth_fail(
            text, AUTH_ERR_NETWORK,
            "the sign-in server %s has had too many requests (HTTP 429); try again in some "
            "minutes",
            host);
    if (status >= 500)
        return auth_fail(text, AUTH_ERR_NETWORK,
                         "the sign-in server %s is in trouble (HTTP %ld); try again later", host,
                         status);
    return AUTH_OK;
}

enum auth_error auth_http_post(const struct auth_http *http, const char *url,
                               const struct buffer *form, struct auth_reply *reply, char *text)
{
    static pthread_once_t started = PTHREAD_ONCE_INIT;
    pthread_once(&started, start_library);
    reply->status = 0;
    buffer_init(&reply->body, AUTH_REPLY_MAX);
    (void)!buffer_reserve(&reply->body, AUTH_REPLY_MAX); /* growing would leave copies of tokens */
    CURLcode code = CURLE_FAILED_INIT;
    long proxy = 0;
    CURLM *multi = curl_multi_init();
    size_t headers = 0;
    CURL *curl = transfer(http, url, form, reply, &headers);
    if (multi != NULL && curl != NULL && curl_multi_add_handle(multi, curl) == CURLM_OK) {
        code = run(multi, http->cancel_fd);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
        curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
        curl_multi_remove_handle(multi, curl);
    }
    curl_easy_cleanup(curl);
    curl_multi_cleanup(multi);
    return code == CURLE_OK ? check_status(url, reply->status, text)
                            : explain(code, proxy, url, text);
}
