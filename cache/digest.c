/* See digest.h. The algorithm is looked up once: OpenSSL 3 takes locks and a while for that. */
#include "cache/digest.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm;

static void look_up(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static bool begin(struct digest *digest)
{
    pthread_once(&once, look_up);
    if (algorithm == NULL)
        return false;
    digest->context = EVP_MD_CTX_new();
    return digest->context != NULL && EVP_DigestInit_ex2(digest->context, algorithm, NULL) == 1;
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
    if (digest->context == NULL && !digest->failed)
        digest->failed = !begin(digest);
    if (!digest->failed)
        digest->failed = EVP_DigestUpdate(digest->context, data, len) != 1;
}

bool digest_end(struct digest *digest, uint8_t sha256[DIGEST_SIZE])
{
    digest_add(digest, "", 0);
    bool good = !digest->failed && EVP_DigestFinal_ex(digest->context, sha256, NULL) == 1;
    digest_free(digest);
    return good;
}

void digest_free(struct digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    *digest = (struct digest){0};
}
